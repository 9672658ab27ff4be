/**
 * Writes down by what sessions can be resumed, as somebody would who reads along: each token that a server gives, in order.
 */
import { Connection } from '../../src/link/connection.js';
import type { ResumeGrant } from '../../src/protocol/messages.js';

/** The tokens of each session, the current one last. */
export type Tokens = ReadonlyMap<string, readonly Uint8Array[]>;

/**
 * Watches all servers while a seed runs.
 * @returns what was seen, and what ends it
 */
export function watchTokens(): { readonly tokens: Tokens; readonly restore: () => void } {
  const tokens = new Map<string, Uint8Array[]>();
  const note = (id: string, grant: ResumeGrant | undefined): void => {
    if (grant === undefined) return;
    const known = tokens.get(id);
    if (known === undefined) tokens.set(id, [grant.token]);
    else known.push(grant.token);
  };
  const { prototype } = Connection;
  // Called with a connection as `this` only.
  const welcome = Reflect.get<Connection, 'welcome'>(prototype, 'welcome');
  const resume = Reflect.get<Connection, 'resume'>(prototype, 'resume');
  prototype.welcome = function (this: Connection, id, grant) {
    note(id, grant);
    welcome.call(this, id, grant);
  };
  prototype.resume = function (this: Connection, id, previous, grant, sink) {
    note(id, grant);
    resume.call(this, id, previous, grant, sink);
  };
  return {
    tokens,
    restore: () => {
      prototype.welcome = welcome;
      prototype.resume = resume;
    },
  };
}
