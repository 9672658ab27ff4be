// `npm run api`: compares the public surface of each entry point with its report in etc/, or, with `--local`, rewrites the
// reports. A changed report belongs into the commit that changes the surface.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, root } from './prepare.mjs';

const rewrite = process.argv.includes('--local');
const entries = ['index', 'msgpackr', 'testing'];

ensureBuilt();
// Not before: a fresh clone has no packages until then.
const { Extractor, ExtractorConfig } = await import('@microsoft/api-extractor');
mkdirSync(join(root, 'etc'), { recursive: true });
const outdated = entries.filter((entry) => !isUpToDate(entry));
if (outdated.length > 0 && !rewrite) {
  console.error(`the API report of ${outdated.join(', ')} is not up to date; run "npm run api -- --local"`);
  process.exitCode = 1;
}

function isUpToDate(entry) {
  const { succeeded } = Extractor.invoke(configFor(entry), {
    localBuild: rewrite,
    messageCallback: (message) => {
      // Its greetings and notes; what is wrong with the surface is written into the report itself.
      if (message.logLevel === 'info' || message.logLevel === 'verbose') message.handled = true;
    },
  });
  return succeeded;
}

function configFor(entry) {
  const intoReport = { default: { logLevel: 'warning', addToApiReportFile: true } };
  const silently = { logLevel: 'none' };
  return ExtractorConfig.prepare({
    configObjectFullPath: join(root, 'api-extractor.json'), // relative paths would start here; it need not exist
    packageJsonFullPath: join(root, 'package.json'),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: `<projectFolder>/dist/${entry}.d.mts`,
      apiReport: {
        enabled: true,
        reportFileName: `${entry}.api.md`,
        reportFolder: '<projectFolder>/etc',
        reportTempFolder: '<projectFolder>/.cache/api-reports',
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      compiler: { tsconfigFilePath: '<projectFolder>/tsconfig.json' },
      messages: {
        extractorMessageReporting: {
          ...intoReport,
          // Everything exported is public: there are no release stages.
          'ae-missing-release-tag': silently,
          // Marked in place in the report; the list of line numbers would change with every build.
          'ae-undocumented': silently,
        },
        tsdocMessageReporting: intoReport,
      },
    },
  });
}
