/**
 * Looks at what is kept for the other side whenever something is added: it is bounded, whatever happens.
 */
import { fragmentBytes } from '../../src/protocol/limits.js';
import { SendLog } from '../../src/protocol/send-log.js';

/** The last message may go beyond the bound: a fragment, and the frame around it. */
const lastMessageBytes = fragmentBytes + 64;

type Adding = 'add' | 'addFrame';

/**
 * Watches all logs while a seed runs.
 * @param maxBytes - the bound
 * @returns what ends it
 */
export function watchLogs(maxBytes: number, fault: (text: string) => void): () => void {
  const { prototype } = SendLog;
  const restore = (['add', 'addFrame'] as const).map((name) => {
    // Called with a log as `this` only.
    const original = Reflect.get<SendLog, typeof name>(prototype, name);
    prototype[name satisfies Adding] = function (this: SendLog, bytes: Uint8Array): void {
      original.call(this, bytes);
      if (this.bytes > maxBytes + lastMessageBytes)
        fault(`${this.bytes} bytes are kept for the other side, where ${maxBytes} may be`);
    };
    return () => {
      prototype[name] = original;
    };
  });
  return () => {
    for (const each of restore) each();
  };
}
