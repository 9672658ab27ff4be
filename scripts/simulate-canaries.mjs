// `npm run simulate:canaries`: plants known bugs in a copy of the sources, one at a time, and shows that the simulation finds
// each within 10,000 seeds; prints a line for each, and fails if one is not found. `-- --only "trim on send"` does one of
// them, `-- --seeds N` looks at so many seeds, `-- --dry` only whether each has its place.
//
// A bug is a change of the sources' text. One whose text is not there any more fails too: then it is to be planted anew.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureInstalled, root } from './prepare.mjs';

/** Each with the edits that plant it. */
const canaries = [
  {
    name: 'dedupe off',
    edits: [
      {
        file: 'src/protocol/inbox.ts',
        find: 'if (this.#nextNumber - 1 <= this.#receivedCount) return false;',
        replace: '',
      },
    ],
  },
  {
    name: 'ack before accept',
    edits: [
      {
        file: 'src/link/intake.ts',
        find: 'if (held.length > 0) this.#settings.act(held);',
        replace: '',
      },
    ],
  },
  {
    name: 'off-by-one replay',
    edits: [
      {
        file: 'src/protocol/logged-output.ts',
        find: 'this.#written = received;',
        replace: 'this.#written = Math.min(received + 1, this.log.lastNumber);',
      },
    ],
  },
  {
    name: 'epoch check off',
    edits: [
      {
        file: 'src/protocol/connection-core.ts',
        find: "if (this.#state === 'closed') return;\n    this.#state = 'closed';\n    this.#leave([]);",
        replace: 'this.#leave([]);',
      },
      {
        file: 'src/link/connection.ts',
        find: 'this.#core.abandon();\n    this.#transport.destroy();',
        replace: 'this.#core.abandon();',
      },
    ],
  },
  {
    name: 'trim on send',
    edits: [
      {
        file: 'src/protocol/logged-output.ts',
        find: 'return this.log.write(this.#written, this);',
        replace:
          'const bytes = this.log.write(this.#written, this);\n    this.log.acknowledge(this.#written);\n    return bytes;',
      },
      {
        // The acknowledgement of what was trimmed says nothing new.
        file: 'src/protocol/outbox.ts',
        find: '    log.acknowledge(number);\n  }',
        replace: '    if (number > log.acknowledged) log.acknowledge(number);\n  }',
      },
    ],
  },
  {
    name: 'wall clock',
    edits: [
      {
        file: 'src/link/resumable-line.ts',
        find: 'return this.#scheduler.now() >= this.#expiresAtMs;',
        replace: 'return Date.now() >= this.#expiresAtMs;',
      },
      {
        file: 'src/link/resumable-line.ts',
        find: 'this.#expiresAtMs = this.#scheduler.now() + this.#windowMs;',
        replace: 'this.#expiresAtMs = Date.now() + this.#windowMs;',
      },
      {
        file: 'src/link/resumable-line.ts',
        find: 'const nextMs = Math.min(this.#expiresAtMs, this.#session.nextDeadlineMs());',
        replace:
          'const nextMs = Math.min(this.#expiresAtMs - Date.now() + nowMs, this.#session.nextDeadlineMs());',
      },
    ],
  },
  {
    name: 'cancel frees slot',
    edits: [
      {
        file: 'src/rpc/invocations.ts',
        find: 'this.#unawaited.add(invocation);\n    if (this.#unanswered',
        replace: 'if (this.#unanswered',
      },
    ],
  },
  {
    name: 'release twice',
    edits: [
      {
        file: 'src/proxies/import-table.ts',
        find: 'const isHeld = this.#held.discount(held.number) > 0;\n    if (!isHeld) this.#listened.delete(held);',
        replace:
          'const isHeld = this.#held.discount(held.number) > 0;\n    if (!isHeld) this.#listened.delete(held);\n    if (!isHeld) this.#giveBack(held.number, 1);',
      },
    ],
  },
  {
    name: 'back-off reset on connect',
    edits: [
      {
        file: 'src/link/backoff.ts',
        find: 'this.#establishedAtMs = nowMs;',
        replace: 'this.#establishedAtMs = nowMs;\n    this.#failures = 0;',
      },
    ],
  },
  {
    name: 'window unbounded',
    edits: [
      {
        file: 'src/protocol/send-log.ts',
        find: 'return this.#bytes >= this.#maxBytes || this.#lastNumber - this.#acknowledged >= maxLogMessages;',
        replace: 'return this.#maxBytes < 0;',
      },
    ],
  },
  {
    name: 'any principal',
    edits: [
      {
        file: 'src/rpc/session-claim.ts',
        find: 'if (!isSamePrincipal(session.identity, identity)) {',
        replace: 'if (isExpired && !isSamePrincipal(session.identity, identity)) {',
      },
    ],
  },
  {
    name: 'any token',
    edits: [
      {
        file: 'src/rpc/session-tokens.ts',
        find: 'return isEqual(hash, this.#current) || (!isConfirmed && isEqual(hash, this.#shown));',
        replace: 'return hash.length > 0 || isConfirmed;',
      },
    ],
  },
  {
    name: 'strangers count as attempts',
    edits: [
      {
        file: 'src/rpc/session-claim.ts',
        find: "if (!tokens.isGood(token, connection.isConfirmed)) return 'unknown';",
        replace:
          "const isNewest = tokens.isNewest(attempt);\n  if (!tokens.isGood(token, connection.isConfirmed)) return 'unknown';",
      },
      {
        file: 'src/rpc/session-claim.ts',
        find: "if (!tokens.isNewest(attempt)) return 'superseded';",
        replace: "if (!isNewest) return 'superseded';",
      },
    ],
  },
];

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    only: { type: 'string' },
    dry: { type: 'boolean', default: false },
  },
});

ensureInstalled();
// Only now: it needs what has just been installed.
(await import('./io-worker.mjs')).writeIOWorker();

const chosen = canaries.filter(({ name }) => values.only === undefined || name === values.only);
if (chosen.length === 0) throw new Error(`there is no canary "${values.only}"`);

// Before the first of them runs: a place that was rewritten is to be known at once.
for (const { name, edits } of chosen) for (const edit of edits) placeOf(root, name, edit);
if (values.dry) {
  console.log(`${chosen.length} bugs have their places`);
  process.exit();
}

const missed = [];
await Promise.all(Array.from({ length: availableParallelism() }, work));
if (missed.length > 0) {
  console.log(`not found: ${missed.join(', ')}`);
  process.exitCode = 1;
}

async function work() {
  for (let canary = chosen.shift(); canary !== undefined; canary = chosen.shift()) {
    const { seed, fault } = await look(canary);
    if (seed === undefined) missed.push(canary.name);
    console.log(
      `${canary.name.padEnd(26)} ${seed === undefined ? 'NOT FOUND' : `seed ${seed}`.padEnd(11)} ${fault}`,
    );
  }
}

/** Runs the simulation over a copy with the bug in it. */
async function look({ name, edits }) {
  const copy = mkdtempSync(join(tmpdir(), 'tandem-canary-'));
  try {
    for (const each of ['src', 'spec/simulation', 'spec/helpers', 'package.json', 'tsconfig.json', '.cache'])
      cpSync(join(root, each), join(copy, each), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'dir');
    for (const edit of edits) plant(copy, name, edit);
    return await firstFailure(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function plant(copy, name, edit) {
  const { path, text } = placeOf(copy, name, edit);
  writeFileSync(
    path,
    text.replace(edit.find, () => edit.replace),
  );
}

/** The file of an edit, in which its place stands once. */
function placeOf(folder, name, { file, find }) {
  const path = join(folder, file);
  const text = readFileSync(path, 'utf8');
  const places = text.split(find).length - 1;
  if (places !== 1)
    throw new Error(`the canary "${name}" wants one place in ${file}, and found ${places}: ${find}`);
  return { path, text };
}

function firstFailure(copy) {
  return new Promise((resolve, reject) => {
    const program = join('spec', 'simulation', 'program.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', program, '--seeds', values.seeds], {
      cwd: copy,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.on('error', reject).on('close', (code) => {
      const last = output.trim().split('\n').at(-1) ?? '';
      if (code === 0) resolve(JSON.parse(last));
      else reject(new Error(`the simulation ended with ${code}: ${output}`));
    });
  });
}
