/**
 * When to write what a turn has gathered: after the microtasks, so that what they answer leaves in the same write.
 */

const resolved = Promise.resolve();

/**
 * Runs a work once there are no more microtasks.
 *
 * @param isReading - whether a chunk is being dealt with: a tick that is asked for then would come before the microtasks
 *   that the chunk causes
 * @param work - must not throw
 */
export function afterMicrotasks(isReading: boolean, work: () => void): void {
  if (isReading) void resolved.then(() => process.nextTick(work));
  else process.nextTick(work);
}
