import type { VirtualLoop, VirtualProcess } from './virtual-loop.js';

/** Waits on a process, by its clock. */
export async function pause(
  { process, loop }: { readonly process: VirtualProcess; readonly loop: VirtualLoop },
  ms: number,
): Promise<void> {
  await new Promise<void>((resolve) => {
    process.schedule(() => {
      resolve();
    }, ms);
  });
  loop.continued();
}
