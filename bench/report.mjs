// The outcome as Markdown tables, and as a JSON file with every figure of every round.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, platform, release, totalmem } from 'node:os';
import { median, medians, ratiosOf } from './figures.mjs';

const results = new URL('results/', import.meta.url);

/**
 * What the figures were measured on.
 *
 * @param {boolean} isPinned
 * @param {readonly URL[]} packageFolders of the packages that were measured
 */
export function describeMachine(isPinned, packageFolders) {
  const versions = packageFolders.map((folder) => {
    const { name, version } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));
    return [name, version];
  });
  return {
    processor: `${cpus()[0].model.trim()}, ${cpus().length} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${platform()} ${release().split('-')[0]}`,
    isPinned,
    node: process.version,
    versions: Object.fromEntries(versions),
  };
}

/**
 * Writes the outcome as Markdown: the medians of all peers, then their ratios to one of them.
 *
 * @param {ReturnType<typeof describeMachine>} machine
 * @param {readonly Record<string, import('./measure.mjs').Figures>[]} rounds figures by round and peer
 * @param {readonly import('./measure.mjs').Failure[]} failures
 * @param {string} base the peer that the others are compared with
 */
export function toMarkdown(machine, rounds, failures, base) {
  const byPeer = medians(rounds);
  const names = Object.keys(byPeer).sort((one, other) => (other === base) - (one === base));
  const figures = [...new Set(names.flatMap((name) => Object.keys(byPeer[name])))];
  const absent = (name, figure) =>
    failures.some(
      ({ peer, workload }) => peer === name && (workload === 'start' || figure.includes(workload)),
    )
      ? 'failed'
      : '–';
  const rowsOf = (columns, cell) =>
    figures.map((figure) => [figure, ...columns.map((name) => cell(name, figure) ?? absent(name, figure))]);
  const absolute = rowsOf(names, (name, figure) => show(byPeer[name][figure]));
  const others = names.filter((name) => name !== base);
  const relative = rowsOf(others, (name, figure) => showRatios(ratiosOf(rounds, figure, name, base)));

  return [
    describe(machine),
    '',
    'Medians of all rounds:',
    '',
    ...toTable(['', ...names], absolute),
    '',
    `Ratios to ${base} within the same round, medians with their quartiles:`,
    '',
    ...toTable(
      ['', ...others],
      relative.filter((row) => row.slice(1).some((cell) => cell !== '–')),
    ),
    ...(failures.length === 0 ? [] : ['', 'What failed:', '', ...failures.map(toLine)]),
  ].join('\n');
}

/** Writes how one peer compares with another in everything that both did. */
export function toComparison(rounds, name, other) {
  const figures = [...new Set(rounds.flatMap((round) => Object.keys(round[name] ?? {})))];
  const rows = figures.map((figure) => [figure, showRatios(ratiosOf(rounds, figure, name, other)) ?? '–']);
  return [`Ratios of ${name} to ${other} within the same round:`, '', ...toTable(['', name], rows)].join(
    '\n',
  );
}

/** Writes what figures were measured on, in a line. */
export function describe({ processor, memory, system, isPinned, node, versions }) {
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const pinning = isPinned ? 'pinned to cores' : 'not pinned to cores';
  return `${processor}, ${memory}, ${system}; Node ${node}; ${pinning}; ${packages.join(', ')}`;
}

/**
 * Writes rows of text as a Markdown table, numbers to the right.
 *
 * @param {readonly string[]} heads
 * @param {readonly (readonly string[])[]} rows
 */
export function toTable(heads, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map((_, column) => (column === 0 ? '---' : '---:'))), ...rows.map(line)];
}

/** Keeps an outcome for later; returns the file. */
export function writeJSON(outcome) {
  mkdirSync(results, { recursive: true });
  const file = new URL(`${outcome.date.replaceAll(':', '-')}.json`, results);
  writeFileSync(file, `${JSON.stringify(outcome, undefined, 2)}\n`);
  return file;
}

/** Writes a number with three digits, or all before the point. */
export function show(value) {
  if (value === undefined) return undefined;
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function showRatios(ratios) {
  if (ratios.length === 0) return undefined;
  const sorted = [...ratios].sort((one, other) => one - other);
  const quartile = (part) => sorted[Math.round((sorted.length - 1) * part)].toPrecision(2);
  const middle = median(ratios).toPrecision(2);
  return ratios.length === 1 ? middle : `${middle} (${quartile(0.25)}–${quartile(0.75)})`;
}

function toLine({ peer, workload, error }) {
  return `- ${peer}, ${workload}: ${error.split('\n')[0]}`;
}
