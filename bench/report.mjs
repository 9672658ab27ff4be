// The outcome as a Markdown table, and as a JSON file with every figure of every round.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { median } from './measure.mjs';

const results = new URL('results/', import.meta.url);

/** What the figures were measured on. */
export function describeMachine(root, isPinned) {
  const versionOf = (folder) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')).version;
  return {
    processor: `${cpus()[0].model.trim()}, ${cpus().length} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${platform()} ${release().split('-')[0]}`,
    isPinned,
    node: process.version,
    library: versionOf('.'),
    msgpack: versionOf('node_modules/@msgpack/msgpack'),
    rxjs: versionOf('node_modules/rxjs'),
  };
}

/**
 * Writes the outcome as Markdown.
 *
 * @param {ReturnType<typeof describeMachine>} machine
 * @param {readonly Record<string, Record<string, number>>[]} rounds figures by round and peer
 * @param {string} base the peer that the others are compared with
 */
export function toMarkdown(machine, rounds, base) {
  const { processor, memory, system, isPinned, node, library, msgpack, rxjs } = machine;
  const others = Object.keys(rounds[0]).filter((name) => name !== base);
  const heads = ['', base, ...others.flatMap((name) => [name, `${name} / ${base}`])];
  const rows = Object.keys(rounds[0][base]).map((figure) => [
    figure,
    show(median(rounds.map((round) => round[base][figure]))),
    ...others.flatMap((name) => [
      show(median(rounds.map((round) => round[name][figure]))),
      showRatios(rounds.map((round) => round[name][figure] / round[base][figure])),
    ]),
  ]);
  return [
    `${processor}, ${memory}, ${system}; Node ${node}; tandem-rpc ${library}, @msgpack/msgpack ${msgpack}, ` +
      `rxjs ${rxjs}; ${isPinned ? 'pinned to cores' : 'not pinned to cores'}; ` +
      `medians of ${rounds.length} rounds, ratios with their quartiles.`,
    '',
    line(heads),
    line(heads.map((_, column) => (column === 0 ? '---' : '---:'))),
    ...rows.map(line),
  ].join('\n');
}

/** Keeps an outcome for later; returns the file. */
export function writeJSON(outcome) {
  mkdirSync(results, { recursive: true });
  const file = new URL(`${outcome.date.replaceAll(':', '-')}.json`, results);
  writeFileSync(file, `${JSON.stringify(outcome, undefined, 2)}\n`);
  return file;
}

const line = (cells) => `| ${cells.join(' | ')} |`;

function show(value) {
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function showRatios(ratios) {
  const sorted = [...ratios].sort((one, other) => one - other);
  const quartile = (part) => sorted[Math.round((sorted.length - 1) * part)].toFixed(2);
  return `${median(ratios).toFixed(2)} (${quartile(0.25)}–${quartile(0.75)})`;
}
