// 5,000 connections: what they have in memory beside bare sockets, with sessions that can be resumed and without; and how long it
// takes until they are in when all come at once, and when all come back to a server that was killed. The storms are rows of the
// fault matrix, each between processes of its own (docs/faults.md).
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { floors, ours, resuming } from './contenders.mjs';
import { measureIdle } from './idle.mjs';
import { show, toTable } from './report.mjs';

const storms = { F19: 'storm of connects', F20: 'reconnect storm' };

/**
 * Measures, and writes tables.
 *
 * @param {(text: string) => void} tell
 */
export async function measureCrowds(tell) {
  const bare = 'floor, raw';
  const peers = new Map([[bare, floors.get(bare)], ...ours, ...resuming]);
  const idle = await measureIdle(peers, tell);
  if (idle.failures.length > 0)
    throw new Error(idle.failures.map(({ peer, error }) => `${peer}: ${error}`).join('\n'));
  const rows = playStorms(tell);
  const names = [...peers.keys()];
  const memory = Object.keys(idle.figures[bare]).map((figure) => [
    figure,
    ...names.map((name) => show(idle.figures[name][figure])),
  ]);
  const reached = rows.flatMap(({ id, figure, target }) =>
    Object.entries(figure).map(([name, value]) => [
      storms[id],
      name,
      show(value),
      target[name]?.join(' ') ?? '',
    ]),
  );
  const markdown = [
    ...toTable(['', ...names], memory),
    '',
    ...toTable(['', 'figure', 'is', 'target'], reached),
  ].join('\n');
  return { markdown, figures: { idle: idle.figures, storms: rows } };
}

function playStorms(tell) {
  tell(`storms: ${Object.keys(storms).join(', ')}`);
  const script = fileURLToPath(new URL('../scripts/faults.mjs', import.meta.url));
  const { stdout } = spawnSync(process.execPath, [script, '--only', Object.keys(storms).join(',')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}
