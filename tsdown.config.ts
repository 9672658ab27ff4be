import type { UserConfig } from 'tsdown';
// @ts-expect-error -- a script, which has no types
import { writeIOWorker } from './scripts/io-worker.mjs';

// Part of the sources that is made of others.
// eslint-disable-next-line @typescript-eslint/no-unsafe-call -- a script, which has no types
writeIOWorker();

const config: UserConfig = {
  entry: { index: 'src/index.ts', msgpackr: 'src/msgpackr/index.ts', testing: 'src/testing/index.ts' },
  format: ['esm', 'cjs'],
  outDir: 'dist',
  target: 'es2022',
  platform: 'node',
  fixedExtension: true, // .mjs/.cjs and .d.mts/.d.cts, whatever "type" says
  dts: true,
  sourcemap: true,
  shims: true, // import.meta.url works in the CommonJS output as well
  deps: { skipNodeModulesBundle: true },
  report: false,
};

export default config;
