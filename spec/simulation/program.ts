/**
 * Seeds in a process of their own, until one breaks a rule: `scripts/simulate-canaries.mjs` starts this. Prints a line of JSON with the
 * seed and its first fault, if there is one. `--from N` begins there, `--seeds N` runs so many, `--trace` prints what happens.
 */
import { parseArgs } from 'node:util';
import { simulate } from './simulate.js';

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '0' },
    seeds: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
});

// A promise that nobody handles is a fault of the seed that runs.
let unhandled: string | undefined;
process.on('unhandledRejection', (reason) => {
  unhandled ??= `an unhandled rejection: ${String(reason)}`;
});
// Every fourth call fails on purpose.
if (!values.trace) Error.stackTraceLimit = 0;

const from = Number(values.from);
let found: { readonly seed?: number; readonly fault: string } = { fault: '' };
for (let seed = from; seed < from + Number(values.seeds); seed++) {
  const { faults, trace } = await simulate(seed, values.trace);
  if (values.trace) process.stdout.write(`${[...trace, ...faults].join('\n')}\n`);
  // A rejection counts as unhandled once the turn in which it came has ended.
  await new Promise((resolve) => setImmediate(resolve));
  const fault = faults[0] ?? unhandled;
  if (fault === undefined) continue;
  found = { seed, fault: fault.split('\n')[0] ?? '' };
  break;
}
process.stdout.write(`${JSON.stringify(found)}\n`);
