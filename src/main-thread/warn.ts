/**
 * Where this room tells what has nobody to be thrown at: a warning of the process, as the rest of the package gives.
 */

/**
 * Warns.
 *
 * @param message - what happened
 * @param code - its kind, in kebab-case
 */
export function warn(message: string, code: string): void {
  process.emitWarning(message, { type: 'TandemWarning', code });
}
