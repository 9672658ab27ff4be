/**
 * The outgoing pass over a value: what MessagePack lacks becomes an extension, what cannot cross is refused by its path.
 *
 * Usually there is nothing to do; then the walk allocates nothing and the very same value comes back. A refusal happens
 * here, before the first byte is encoded, so that a value too large or too strange never costs a connection. Reading a
 * value may run its owner's code (getters, proxies): whatever that throws is a refusal as well.
 *
 * The pass recurses, once a level: at most `maxDepth` (512) levels fit any stack, and a recursive walk needs no stack
 * of its own on the heap. Cycles need no search either: they run into a limit, and then it shows that they are cycles.
 * PROTOCOL.md, "Values" and "Limits".
 */
import { LimitExceededError, type RPCErrorDetails, UnserializableValueError } from '../errors.js';
import { binaryHeader, type BinaryKind, binaryKinds, writeBinary } from './binary-kinds.js';
import { copyBytes, isWellFormed, orderBytes, utf8Length } from './bytes.js';
import { membersOf } from './error-values.js';
import { Extension } from './extension.js';
import {
  type Extensions,
  extensionTypes,
  negativeZeroExtension,
  undefinedExtension,
  writeBigint,
  writeDate,
  writePayload,
  writeText,
} from './extensions.js';
import { largeBytes } from './fragment-pool.js';
import type { Limits } from './limits.js';
import { type Lender, lentFields, LentReference, type Reference, referenceKey } from './references.js';
import { ReusedEncoder } from './reused-encoder.js';
import { describeRefused, Shapes, tagOf } from './shapes.js';
import { type Hole, leastTransferredBytes, transferredBytes } from './transferred.js';
import { describePath, findCycle, noKey } from './value-path.js';

/** Whom a value is prepared for. */
export interface Sender {
  /** Says what crosses by reference; without one nothing does. */
  lender: Lender | undefined;
  /** Gets what the encoder leaves out of the message; without it nothing is left out. */
  readonly onHole: ((hole: Hole) => void) | undefined;
}

/** A sender of which nothing crosses by reference, nor is left out. */
export const byValue: Sender = { lender: undefined, onHole: undefined };

/** Prepares values for the encoder, for one sender after the other. */
export class Marshal {
  /** Of the sender at hand. */
  #lender: Lender | undefined;
  /** Of the sender at hand. */
  #onHole: ((hole: Hole) => void) | undefined;
  readonly #limits: Limits;
  readonly #extensions: Extensions;
  readonly #shapes = new Shapes();
  readonly #contents: ReusedEncoder;
  // The containers around the value at hand and the way through them, for errors: written always, read rarely.
  readonly #containers: object[] = [];
  readonly #keys: (string | number)[] = [];
  readonly #open = { root: '', containers: this.#containers, keys: this.#keys };
  #enclosing = 0;
  #nodes = 0;
  #leastBytes = 0;
  /** How many containers are open whose contents are encoded by themselves. */
  #payloads = 0;
  #isBusy = false;
  #refusal: Error | undefined;

  /**
   * @param limits - the bounds of what this side sends
   * @param extensions - the codec's
   */
  constructor(limits: Limits, extensions: Extensions) {
    this.#limits = limits;
    this.#extensions = extensions;
    this.#contents = new ReusedEncoder(extensions, limits.maxDepth + 1);
  }

  /**
   * Prepares one value.
   *
   * @param value - the user's; only read, and to be encoded in the same turn
   * @param path - what to call it in errors, such as `arguments`
   * @param enclosing - how many arrays of the message will lie around it: 1 for a field of the message
   * @param sender - whose the value is
   * @returns the value itself if it can be encoded as it is, else a copy in which extensions stand for parts of it
   * @throws {@link UnserializableValueError} if something in it cannot cross
   * @throws {@link LimitExceededError} if something in it is larger than a limit
   */
  marshal(value: unknown, path: string, enclosing: number, sender: Sender): unknown {
    // A getter may send something, by the same codec or another.
    if (this.#isBusy)
      return new Marshal(this.#limits, this.#extensions).marshal(value, path, enclosing, sender);
    this.#isBusy = true;
    this.#lender = sender.lender;
    this.#onHole = sender.onHole;
    this.#open.root = path;
    this.#enclosing = enclosing;
    this.#nodes = this.#leastBytes = this.#payloads = 0;
    try {
      return this.#walk(value);
    } catch (error) {
      const ours = error === this.#refusal ? this.#refusal : undefined;
      const refusal = ours ?? this.#refuse('reading it failed', { cause: error });
      // Else what was refused would stay in memory until the next value.
      this.#containers.length = 0;
      this.#refusal = undefined;
      throw refusal;
    } finally {
      this.#isBusy = false;
      // Else the last sender's connection would stay in memory.
      this.#lender = this.#onHole = undefined;
    }
  }

  #walk(value: unknown): unknown {
    if (++this.#nodes > this.#limits.maxNodes) throw this.#tooLarge('values', this.#nodes, 'maxNodes');
    switch (typeof value) {
      case 'string':
        return this.#text(value);
      case 'number':
        return Object.is(value, -0) ? negativeZeroExtension : value;
      case 'boolean':
        return value;
      case 'undefined':
        return undefinedExtension;
      case 'bigint':
        return this.#bigint(value);
      case 'object':
        return value === null ? null : this.#object(value);
      case 'function':
        return this.#reference(value) ?? this.#refuseNow('a function');
      default:
        throw this.#refuse(`a ${typeof value}`);
    }
  }

  #object(value: object): unknown {
    if (Array.isArray(value)) return this.#array(value);
    if (ArrayBuffer.isView(value))
      return this.#binary(value, value.buffer, value.byteOffset, value.byteLength);
    switch (this.#shapes.shapeOf(value)) {
      case 'plain':
        if (Reflect.get(value, referenceKey) !== undefined || Symbol.asyncIterator in value) {
          return this.#reference(value) ?? this.#refuseNow(describeRefused(value));
        }
        return this.#record(value as Record<string, unknown>);
      case 'map':
        return this.#map(value);
      case 'set':
        return this.#set(value);
      case 'date':
        return writeDate(Date.prototype.getTime.call(value));
      case 'error':
        return this.#error(value as Error);
      case 'bytes':
        return this.#binary(value, value as ArrayBuffer, 0, (value as ArrayBuffer).byteLength);
      case 'refused':
        return this.#transferred(value) ?? this.#reference(value) ?? this.#refuseNow(describeRefused(value));
    }
  }

  /** What crosses by reference, as far as there is a lender who knows it. */
  #reference(value: object): Extension | undefined {
    const reference = this.#lender === undefined ? undefined : this.#lend(this.#lender, value);
    if (reference === undefined) return undefined;
    if (!(reference instanceof LentReference)) {
      this.#enter(value);
      this.#payloads++;
      return this.#payload(extensionTypes.returned, [reference.number]);
    }
    const level = this.#enter(value);
    this.#payloads++;
    this.#keys[level] = 'reason';
    const fields = lentFields(reference);
    this.#nodes += fields.length + reference.members.length + reference.properties.length;
    if (reference.aborted !== undefined) fields[2] = this.#reason(reference.aborted.reason);
    return this.#payload(extensionTypes.lent, fields);
  }

  /** A reason that cannot cross is left out: that the signal is aborted matters more. */
  #reason(reason: unknown): unknown {
    const before = [this.#nodes, this.#leastBytes, this.#payloads, this.#containers.length] as const;
    try {
      return this.#lender?.attempt(() => this.#walk(reason));
    } catch {
      [this.#nodes, this.#leastBytes, this.#payloads, this.#containers.length] = before;
      this.#refusal = undefined;
      return this.#walk(new DOMException('aborted', 'AbortError'));
    }
  }

  #array(array: readonly unknown[]): unknown {
    const { length } = array;
    if (length > this.#limits.maxArrayItems) throw this.#tooLarge('array items', length, 'maxArrayItems');
    const level = this.#enter(array);
    // The encoder trusts an array's iterator to agree with its length; a subclass may have another one.
    let copy: unknown[] | undefined = array[Symbol.iterator] === arrayIterator ? undefined : [];
    for (let index = 0; index < length; index++) {
      this.#keys[level] = index;
      const item = array[index];
      const marshalled = this.#walk(item);
      if (copy !== undefined) copy.push(marshalled);
      else if (!Object.is(marshalled, item)) copy = [...array.slice(0, index), marshalled];
    }
    this.#containers.pop();
    return copy ?? array;
  }

  #record(record: Readonly<Record<string, unknown>>): unknown {
    const level = this.#enter(record);
    let copy: Record<string, unknown> | undefined;
    let entries = 0;
    for (const key in record) {
      if (!Object.hasOwn(record, key)) continue;
      if (++entries > this.#limits.maxMapEntries) {
        throw this.#tooLarge('map entries', Object.keys(record).length, 'maxMapEntries');
      }
      this.#keys[level] = key;
      this.#key(key);
      const value = record[key];
      const marshalled = this.#walk(value);
      if (copy !== undefined) copy[key] = marshalled;
      else if (!Object.is(marshalled, value)) copy = { ...record, [key]: marshalled };
    }
    this.#containers.pop();
    // Math, Reflect and their like have a plain prototype and nothing to enumerate.
    if (entries === 0 && tagOf(record) !== 'Object') throw this.#refuse(describeRefused(record));
    return copy ?? record;
  }

  #map(map: object): Extension {
    // Asked of the intrinsic: of any realm, whatever a subclass overrides, and a TypeError for what is no Map.
    const size = Reflect.get(Map.prototype, 'size', map);
    if (size > this.#limits.maxMapEntries) throw this.#tooLarge('map entries', size, 'maxMapEntries');
    const level = this.#enter(map);
    this.#payloads++;
    const items: unknown[] = [];
    Map.prototype.forEach.call(map as Map<unknown, unknown>, (value, key) => {
      this.#keys[level] = items.length;
      items.push(this.#walk(key));
      this.#keys[level] = items.length;
      items.push(this.#walk(value));
    });
    return this.#payload(extensionTypes.map, items);
  }

  #set(set: object): Extension {
    const size = Reflect.get(Set.prototype, 'size', set);
    if (size > this.#limits.maxArrayItems) throw this.#tooLarge('members of a Set', size, 'maxArrayItems');
    const level = this.#enter(set);
    this.#payloads++;
    const items: unknown[] = [];
    Set.prototype.forEach.call(set as Set<unknown>, (member) => {
      this.#keys[level] = items.length;
      items.push(this.#walk(member));
    });
    return this.#payload(extensionTypes.set, items);
  }

  #error(error: Error): Extension {
    const members = membersOf(error);
    if (members.size > this.#limits.maxMapEntries)
      throw this.#tooLarge('map entries', members.size, 'maxMapEntries');
    const level = this.#enter(error);
    this.#payloads++;
    const record: Record<string, unknown> = {};
    for (const [key, value] of members) {
      this.#keys[level] = key;
      this.#key(key);
      record[key] = this.#walk(value);
    }
    return this.#payload(extensionTypes.error, record);
  }

  /** Ends the innermost container, which crosses as an extension with `contents`. */
  #payload(type: number, contents: unknown): Extension {
    const bytes = copyBytes(this.#contents.encode(contents));
    this.#containers.pop();
    this.#payloads--;
    return writePayload(type, bytes);
  }

  #transferred(value: object): unknown {
    const given = transferredBytes(value);
    if (given === undefined) return undefined;
    const [buffer, offset] = ArrayBuffer.isView(given) ? [given.buffer, given.byteOffset] : [given, 0];
    return this.#binary(given, buffer, offset, given.byteLength, true);
  }

  #hole(
    kind: BinaryKind | undefined,
    bytes: Uint8Array,
    isGiven: boolean,
    onHole: (hole: Hole) => void,
  ): Extension {
    // The encoder asks for the data when it knows their place: six bytes behind the header's beginning.
    return new Extension(emptyPlace, (at) => {
      onHole({ start: at - 6, header: binaryHeader(kind, bytes.length), bytes, size: bytes.length, isGiven });
      return new Uint8Array(0);
    });
  }

  /**
   * Large bytes are left out, and put back where the message is written or cut into fragments: those that were given away are
   * not copied at all, others once.
   */
  #binary(value: object, buffer: ArrayBufferLike, offset: number, size: number, isGiven = false): unknown {
    if (size > this.#limits.maxBinaryBytes) throw this.#tooLarge('binary bytes', size, 'maxBinaryBytes');
    this.#countBytes(size);
    const tag = tagOf(value);
    const kind = binaryKinds.get(tag);
    // A Buffer has this tag as well.
    const isPlain = tag === 'Uint8Array';
    if (kind === undefined && !isPlain) throw this.#refuse(describeRefused(value));
    const bytes = new Uint8Array(buffer, offset, size);
    if (size >= (isGiven ? leastTransferredBytes : largeBytes) && this.#payloads === 0 && this.#onHole) {
      const ordered = kind === undefined ? bytes : orderBytes(bytes, kind.elementBytes);
      return this.#hole(kind, ordered, isGiven, this.#onHole);
    }
    // The marker of given bytes is no value; and bytes of another realm are an object to some encoders.
    if (kind === undefined) return isGiven || !(value instanceof Uint8Array) ? bytes : value;
    return writeBinary(kind, bytes);
  }

  #bigint(value: bigint): Extension {
    const magnitude = value < 0n ? -value : value;
    const { maxBigintBits } = this.#limits;
    if (BigInt.asUintN(maxBigintBits, magnitude) !== magnitude) {
      const hex = magnitude.toString(16);
      const bits = hex.length * 4 - Math.clz32(Number.parseInt(hex.charAt(0), 16)) + 28;
      throw this.#tooLarge('bigint bits', bits, 'maxBigintBits');
    }
    return writeBigint(value);
  }

  #text(text: string): unknown {
    const { maxStringBytes } = this.#limits;
    this.#countBytes(text.length);
    // A code unit is three bytes at most: long texts alone are counted.
    if (text.length * 3 > maxStringBytes) {
      const size = utf8Length(text);
      if (size > maxStringBytes) throw this.#tooLarge('string bytes', size, 'maxStringBytes');
    }
    // The encoder would write something that is not UTF-8, or silently another character.
    if (!isWellFormed(text)) throw this.#refuse('a string with a lone surrogate, which UTF-8 does not have');
    return text.charCodeAt(0) === byteOrderMark ? writeText(text) : text;
  }

  #key(key: string): void {
    this.#nodes++;
    const { maxKeyBytes } = this.#limits;
    if (key.length * 3 > maxKeyBytes) {
      const size = utf8Length(key);
      if (size > maxKeyBytes) throw this.#tooLarge('key bytes', size, 'maxKeyBytes');
      // Decoders drop the mark from long texts, and a key cannot be an extension.
      if (key.charCodeAt(0) === byteOrderMark) throw this.#refuse('a long key that begins with U+FEFF');
    }
    if (key === '__proto__') throw this.#refuse('the key __proto__, which could change a prototype');
    if (!isWellFormed(key)) throw this.#refuse('a key with a lone surrogate, which UTF-8 does not have');
  }

  /** A lower bound of the message, so that one text shared a thousand times is refused before it is written. */
  #countBytes(size: number): void {
    this.#leastBytes += size;
    if (this.#leastBytes > this.#limits.maxMessageBytes) {
      throw this.#tooLarge('bytes up to here', this.#leastBytes, 'maxMessageBytes');
    }
  }

  #enter(container: object): number {
    const level = this.#containers.length;
    if (level + this.#enclosing >= this.#limits.maxDepth) {
      throw this.#tooLarge('levels', level + this.#enclosing + 1, 'maxDepth');
    }
    this.#containers.push(container);
    // An old one would stand in the path of what fails before the first is read.
    this.#keys[level] = noKey;
    return level;
  }

  /** As many may be lent as the lender has it: that is a limit, and not the value's fault. */
  #lend(lender: Lender, value: object): Reference | undefined {
    try {
      return lender.lend(value);
    } catch (error) {
      if (!(error instanceof LimitExceededError)) throw error;
      this.#refusal = new LimitExceededError(`cannot send ${describePath(this.#open)}: ${error.message}`);
      throw this.#refusal;
    }
  }

  #tooLarge(what: string, found: number, option: keyof Limits): Error {
    const cycle = findCycle(this.#open);
    if (cycle !== undefined) {
      this.#refusal = new UnserializableValueError(
        `cannot send ${cycle[1]}: a cycle, it is ${cycle[0]} again`,
      );
      return this.#refusal;
    }
    const bound = `${found} ${what}, at most ${this.#limits[option]} are allowed (limits.${option})`;
    this.#refusal = new LimitExceededError(`cannot send ${describePath(this.#open)}: ${bound}`);
    return this.#refusal;
  }

  #refuseNow(what: string): never {
    throw this.#refuse(what);
  }

  #refuse(what: string, details?: RPCErrorDetails): Error {
    this.#refusal = new UnserializableValueError(`cannot send ${describePath(this.#open)}: ${what}`, details);
    return this.#refusal;
  }
}

const arrayIterator = Reflect.get(Array.prototype, Symbol.iterator);
const byteOrderMark = 0xfeff;

/** The extension type of a place that is filled later: bytes, of which there are none yet. */
const emptyPlace = 16;
