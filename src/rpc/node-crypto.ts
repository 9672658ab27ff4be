/**
 * The module of Node that has HMAC and SHA-256. It is asked for when it is needed, never imported: a bundle for a browser has
 * none, and whoever uses no shared token needs none.
 */
import type * as NodeCrypto from 'node:crypto';
import { RPCError } from '../errors.js';

/**
 * The module.
 * @throws RPCError where the platform has none
 */
export function nodeCrypto(): typeof NodeCrypto {
  const { process: platform } = globalThis as { process?: Partial<NodeJS.Process> };
  const module = platform?.getBuiltinModule?.('node:crypto');
  if (module !== undefined) return module;
  throw new RPCError('secrets cannot be compared here: node:crypto is missing, as in browsers');
}
