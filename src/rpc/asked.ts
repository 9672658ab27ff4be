/** What this side asks of the other: a call, a notification or a subscription, before it is a message. */
import type { Target } from '../protocol/messages.js';
import type { CallOptions } from '../proxies/types.js';

/** What is asked. */
export interface Asked {
  /** The name of an object, or the number of a reference. */
  readonly target: Target;
  /** Of that; `""` for a function, or a stream that was lent by itself. */
  readonly member: string;
  /** As its caller gave them: read when it leaves. */
  readonly args: readonly unknown[];
  /** As its caller gave them. */
  readonly options: CallOptions;
  /** Milliseconds that it may take from now on; `undefined`: no bound. */
  readonly timeoutMs: number | undefined;
}
