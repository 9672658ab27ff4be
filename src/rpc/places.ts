/**
 * Who may still come in: the places of one server, as many as its owner allows, as it is built for, and as its process has files for; and
 * of them as many for one principal. A session keeps its place while it is away, and comes back to it whoever waits.
 * PROTOCOL.md, "Limits".
 */
import { LimitExceededError } from '../errors.js';
import type { CloseCode } from '../protocol/close-reason.js';
import { reservedFiles, type Limits } from '../protocol/limits.js';
import type { Report } from '../streams/user-callback.js';
import { PrincipalKeys } from './principal-key.js';

/** Who has a place. */
export interface Guest {
  /** Whether it still takes it: not one that has ended, nor a session of which the client may not know. */
  readonly hasPlace: boolean;
}

/** What places need. */
export interface PlacesSettings {
  readonly limits: Limits;
  /** Whether clients are told from each other by their identities. */
  readonly hasPrincipals: boolean;
  /** How many are on their way to a port of their own: these places are taken. */
  readonly expected: () => number;
  /** Gets why somebody is refused for want of what the server is built for: the first, until somebody is let in again. */
  readonly report: Report;
}

/** Why somebody is refused. */
export interface PlaceRefusal {
  readonly code: CloseCode;
  readonly message: string;
}

/** Those who are one principal, and whether it was reported that there are too many of them. */
interface Principal {
  readonly guests: Set<Guest>;
  isReported: boolean;
}

/** How many of the files that are kept for other things may be connections of those who are told that there is no place. */
const filesForRefusing = reservedFiles / 2;

/** The places of one server. */
export class Places {
  /** How many clients its owner allows at one time, `null` for no bound. */
  maxConnectionsAllowed: number | null;
  readonly #settings: PlacesSettings;
  readonly #keys = new PrincipalKeys();
  readonly #guests = new Map<Guest, string | undefined>();
  readonly #principals = new Map<string, Principal>();
  #openFiles: number;
  #refused = 0;
  #refusedOfPrincipals = 0;
  #isReported = false;

  /**
   * @param maxConnectionsAllowed - at the start
   * @param settings - of the server
   */
  constructor(maxConnectionsAllowed: number | null, settings: PlacesSettings) {
    this.maxConnectionsAllowed = maxConnectionsAllowed;
    this.#settings = settings;
    this.#openFiles = settings.limits.maxOpenFiles;
  }

  /** How many were refused since there was no place. */
  get refused(): number {
    return this.#refused;
  }

  /** How many were refused since their principal had all the places that one may have. */
  get refusedOfPrincipals(): number {
    return this.#refusedOfPrincipals;
  }

  /** So many files may be opened, as far as the system says. */
  noteOpenFiles(openFiles: number | undefined): void {
    this.#openFiles = Math.min(this.#settings.limits.maxOpenFiles, openFiles ?? Infinity);
  }

  /** Whether one more connection may be looked at, if only to tell it that there is no place. @param open - how many there are */
  hasFile(open: number): boolean {
    return open < this.#filesForClients + filesForRefusing;
  }

  /** Why somebody cannot have a place; `undefined` if he can. @param isExpected - whether he has one already, on his own port */
  refusalOf(identity: unknown, isExpected: boolean): PlaceRefusal | undefined {
    return (isExpected ? undefined : this.#fullness()) ?? this.#crowdOf(identity);
  }

  /** Somebody was let in. */
  take(guest: Guest, identity: unknown): void {
    const key = this.#keyOf(identity);
    this.#guests.set(guest, key);
    if (key === undefined) return;
    const principal = this.#principals.get(key);
    if (principal === undefined) this.#principals.set(key, { guests: new Set([guest]), isReported: false });
    else principal.guests.add(guest);
  }

  /** He has gone. */
  leave(guest: Guest): void {
    const key = this.#guests.get(guest);
    this.#guests.delete(guest);
    const principal = key === undefined ? undefined : this.#principals.get(key);
    if (key === undefined || principal === undefined) return;
    principal.guests.delete(guest);
    principal.isReported = false;
    if (principal.guests.size === 0) this.#principals.delete(key);
  }

  #fullness(): PlaceRefusal | undefined {
    const { limits } = this.#settings;
    const allowed = this.maxConnectionsAllowed ?? Infinity;
    const files = this.#filesForClients;
    const most = Math.min(allowed, limits.maxConnections, files);
    // Looked at one by one only where it matters: a crowd that comes in must not cost its square.
    const expected = this.#settings.expected();
    if (this.#guests.size + expected < most || countOf(this.#guests.keys()) + expected < most) {
      this.#isReported = false;
      return undefined;
    }
    this.#refused += 1;
    if (most === allowed) {
      return { code: 'server-full', message: `the server has all the clients it allows (${allowed})` };
    }
    if (!this.#isReported) {
      this.#isReported = true;
      if (files < limits.maxConnections)
        this.#report(
          `there are ${most} clients of a process that may open ${this.#openFiles} files`,
          'maxOpenFiles',
        );
      else this.#report(`there are ${most} clients`, 'maxConnections');
    }
    return { code: 'server-full', message: `the server has all the clients that it can have (${most})` };
  }

  #crowdOf(identity: unknown): PlaceRefusal | undefined {
    const key = this.#keyOf(identity);
    const principal = key === undefined ? undefined : this.#principals.get(key);
    const { maxSessionsPerPrincipal: most } = this.#settings.limits;
    if (principal === undefined || principal.guests.size < most || countOf(principal.guests) < most)
      return undefined;
    this.#refusedOfPrincipals += 1;
    if (!principal.isReported) {
      principal.isReported = true;
      this.#report(`one principal has ${most} clients`, 'maxSessionsPerPrincipal');
    }
    return {
      code: 'too-many-sessions',
      message: `the server has all the clients of this principal that it allows (${most})`,
    };
  }

  #keyOf(identity: unknown): string | undefined {
    return this.#settings.hasPrincipals ? this.#keys.keyOf(identity) : undefined;
  }

  get #filesForClients(): number {
    return Math.max(1, this.#openFiles - reservedFiles);
  }

  #report(what: string, limit: keyof Limits): void {
    const text = `a client was refused: ${what}, and may be no more (limits.${limit} changes the bound)`;
    this.#settings.report(new LimitExceededError(text));
  }
}

function countOf(guests: Iterable<Guest>): number {
  let count = 0;
  for (const { hasPlace } of guests) if (hasPlace) count += 1;
  return count;
}
