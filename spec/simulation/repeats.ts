/**
 * Sides that send again more than the other has not received: the protocol lets them, and the other has to drop it.
 */
import { LoggedOutput } from '../../src/protocol/logged-output.js';
import type { SeededRandom } from './seeded-random.js';

/**
 * Has all sides do so now and then while a seed runs.
 * @returns what ends it
 */
export function repeatSome(random: SeededRandom): () => void {
  const { prototype } = LoggedOutput;
  // Called with an output as `this` only.
  const attach = Reflect.get<LoggedOutput, 'attach'>(prototype, 'attach');
  prototype.attach = function (this: LoggedOutput, writer, received) {
    const { acknowledged } = this.log;
    const isPossible = received > acknowledged && received <= this.log.lastNumber;
    attach.call(this, writer, isPossible ? random.whole(acknowledged, received) : received);
  };
  return () => {
    prototype.attach = attach;
  };
}
