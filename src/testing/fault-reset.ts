/**
 * Resets a connection. Node ends the writing side first and resets when that is done, which it cannot do while writing is
 * under way: if it fails meanwhile, its socket never closes.
 */
import type { Socket } from 'node:net';

/** Resets (RST) if nothing is being written, else destroys, which resets as well where something was not read. */
export function resetSocket(socket: Socket): void {
  const isBusy = socket.writableLength > 0 || (socket.writableEnded && !socket.writableFinished);
  if (isBusy) socket.destroy();
  else socket.resetAndDestroy();
}
