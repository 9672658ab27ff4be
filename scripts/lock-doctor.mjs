// Says what is wrong with the lock files before `npm ci` does so less clearly, or only on another platform:
// - optional platform packages that the lock file lacks (npm leaves out what a registry does not have);
// - entries that belong to nothing (npm sometimes leaves them behind; `npm prune --package-lock-only` removes them);
// - addresses of the registry it was written with, which other people may not reach.
import { readFileSync } from 'node:fs';

const complaints = ['', 'bench/', 'scripts/bundle-check/'].flatMap((folder) => {
  const file = `${folder}package-lock.json`;
  const { packages } = JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'));
  return findFaults(packages).map((fault) => `${file}: ${fault}`);
});

for (const complaint of complaints) console.error(complaint);
process.exitCode = complaints.length > 0 ? 1 : 0;

function findFaults(packages) {
  const faults = Object.entries(packages).flatMap(([at, { version, optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !isReachable(packages, at, name))
      .map(
        (name) =>
          `${at} ${version}: no entry for its optional ${name}; pin it to an older version in "overrides"`,
      ),
  );
  for (const [at, { resolved = '', extraneous }] of Object.entries(packages)) {
    if (extraneous) faults.push(`${at}: belongs to nothing; run "npm prune --package-lock-only"`);
    if (/^(git\+)?(https?|ssh):/.test(resolved)) faults.push(`${at}: comes from ${resolved}`);
  }
  return faults;
}

/** Looks where Node would: in the package's own folder, then in every one around it. */
function isReachable(packages, at, name) {
  for (let folder = at; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (`${folder && `${folder}/`}node_modules/${name}` in packages) return true;
    if (folder === '') return false;
  }
}
