/**
 * What a process of the demo has in common with the others: it tells the stage what happens, and follows its cues.
 * It never outlives the stage.
 */
import { once } from 'node:events';

/** What this process was started with. */
export const setup = JSON.parse(process.argv[2]);

/**
 * Tells the stage of an event.
 * @param {string} what names it, for scenes that wait for it
 * @param {string} line one line for the audience
 * @param {object} facts what scenes look at
 */
export function tell(what, line, facts = {}) {
  if (process.connected) process.send({ ...facts, what, line });
}

/** A stopped process, which cannot see that the stage is gone: this one then ends it. */
let ward;

/** Follows cues, each a function of this record. */
export function follow(cues) {
  const guard = ({ pid }) => (ward = pid);
  process.on('message', ({ cue, ...facts }) => ({ ...cues, guard })[cue](facts));
  process.on('disconnect', exit);
  // Ctrl-C reaches every process of a terminal; the stage ends its own in its own way.
  process.on('SIGINT', () => {});
}

/** Leaves the stage. The process then ends by itself: nothing may keep it alive. */
export function bow() {
  process.off('disconnect', exit);
  process.disconnect();
}

/** The first characters of a connection id: enough to see that it is another one. */
export const short = (id) => id.slice(0, 8);

/** An error as the audience reads it. */
export const describe = (error) => `${error.name}${error.executed ? ` (executed: ${error.executed})` : ''}`;

/** Waits for an abort, as a method does that has work without end. */
export const aborted = (signal) => once(signal, 'abort');

function exit() {
  if (ward !== undefined) process.kill(ward, 'SIGKILL');
  process.exit();
}
