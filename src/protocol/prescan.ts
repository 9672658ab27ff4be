/**
 * A look over untrusted bytes before anything is decoded: are they exactly one MessagePack value, within the limits?
 *
 * The decoder believes declared sizes (5 bytes make it reserve 268 MB), nests without bound and lets duplicate keys and
 * invalid UTF-8 pass. So one pass over the bytes, iterative and without allocation (but for maps of more than 16
 * entries), checks all that first. It knows the form of each extension's payload, not its meaning (extensions.ts); the
 * contents of Map, Set and Error are scanned in place, within the same budget. PROTOCOL.md, "Values" and "Limits".
 */
import { ProtocolError } from '../errors.js';
import { byteAt, isUtf8 } from './bytes.js';
import { binaryKindsByType } from './binary-kinds.js';
import { bigintBits, extensionTypes } from './extensions.js';
import type { Limits } from './limits.js';
import { isPrototypeKey, maxComparedKeys, SeenKeys } from './seen-keys.js';

/** Scans values; between two scans it keeps nothing but scratch memory, so that all receivers with these limits share one. */
export class Prescan {
  readonly #limits: Limits;
  // What is known of the levels around the innermost one, four numbers each: values left, form, end, first key.
  #outer = new Int32Array(usualLevels * 4);
  readonly #keys = new SeenKeys();
  #depth = 0;
  #nodes = 0;
  #hasBinary = false;
  #isPlain = true;
  // The innermost open level; a key counts as a value.
  #left = 0;
  #form = listForm;
  #end = 0;
  #firstKey = 0;

  /** @param limits - the bounds of what this side receives */
  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Whether the value scanned last holds a byte array (bin), at any depth. */
  get hasBinary(): boolean {
    return this.#hasBinary;
  }

  /** Whether any decoder of MessagePack makes the same of the value scanned last: one that knows no extension as well. */
  get isPlain(): boolean {
    return this.#isPlain;
  }

  /**
   * Checks the value that begins at `start`.
   *
   * @param bytes - untrusted; only read
   * @param start - where the value begins
   * @param end - where the bytes end that may belong to it
   * @returns where the value ends
   * @throws {@link ProtocolError} if there is no whole value, or one that exceeds a limit
   */
  scan(bytes: Uint8Array, start: number, end: number): number {
    this.#keys.clear();
    this.#depth = this.#firstKey = 0;
    this.#nodes = this.#left = 1;
    this.#hasBinary = false;
    this.#isPlain = true;
    this.#form = listForm;
    this.#end = end;
    let at = start;
    for (;;) {
      at = this.#scanLevel(bytes, at);
      while (this.#left === 0) {
        if (this.#depth === 0) return at;
        this.#close(at);
      }
    }
  }

  /**
   * Goes on in the innermost level until it ends or a deeper one opens.
   *
   * What nearly all values are, short texts and small numbers, is handled here and in locals: the engine inlines only
   * so much into one function, and with more calls the scan takes twice as long.
   */
  #scanLevel(bytes: Uint8Array, start: number): number {
    const end = this.#end;
    const depth = this.#depth;
    const isMap = (this.#form & mapForm) !== 0;
    let at = start;
    let left = this.#left;
    while (left > 0 && this.#depth === depth) {
      if (at >= end) throw new ProtocolError('truncated: a value is missing');
      const head = Number(bytes[at]);
      left--;
      const isKey = isMap && (left & 1) !== 0;
      if ((head & 0xe0) === 0xa0) {
        const text = at + 1;
        at = text + (head & 0x1f);
        if (at > end) throw truncated('bytes of a string', head & 0x1f, end - text);
        if (!isUtf8(bytes, text, at)) throw new ProtocolError('a string that is not UTF-8');
        if (isKey) this.#checkKey(bytes, text, head & 0x1f);
      } else if (isKey) at = this.#skipLongKey(bytes, at, head);
      else if (head < 0x80 || head >= 0xe0) at++;
      else {
        this.#left = left;
        at = this.#skip(bytes, at, head);
      }
    }
    if (this.#depth === depth) this.#left = left;
    return at;
  }

  /** Skips what is more than one byte, or opens a level whose contents come next. */
  #skip(bytes: Uint8Array, at: number, head: number): number {
    const next = at + 1;
    if (head < 0x90) return this.#openMap(next, head & 0x0f, mapForm, this.#end);
    if (head < 0xa0) return this.#openArray(next, head & 0x0f, listForm, this.#end);
    if (head === 0xc1) throw new ProtocolError('the byte 0xC1, which MessagePack never uses');
    if (head < 0xc4) return next;
    if (head < 0xc7) return this.#skipBinary(bytes, next, 1 << (head - 0xc4));
    if (head < 0xca) return this.#skipLongExtension(bytes, next, 1 << (head - 0xc7));
    if (head < 0xcc) return this.#take(next, 4 << (head - 0xca), 'bytes of a float');
    if (head < 0xd4) return this.#take(next, 1 << (head & 3), 'bytes of an integer');
    if (head < 0xd9) return this.#skipExtension(bytes, next, 1 << (head - 0xd4));
    const width = head < 0xdc ? 1 << (head - 0xd9) : 2 << (head & 1);
    const size = this.#readSize(bytes, next, width);
    if (head < 0xdc) return this.#skipText(bytes, next + width, size);
    if (head < 0xde) return this.#openArray(next + width, size, listForm, this.#end);
    return this.#openMap(next + width, size, mapForm, this.#end);
  }

  #openArray(at: number, items: number, form: number, end: number): number {
    if (items > this.#limits.maxArrayItems) throw this.#exceeds('array items', items, 'maxArrayItems');
    return this.#open(at, items, form, end);
  }

  #openMap(at: number, entries: number, form: number, end: number): number {
    if (entries > this.#limits.maxMapEntries) throw this.#exceeds('map entries', entries, 'maxMapEntries');
    const isLarge = entries > maxComparedKeys;
    this.#open(at, entries * 2, isLarge ? form | largeForm : form, end);
    if (isLarge) this.#keys.beginLarge();
    return at;
  }

  /** Opens a level of `values`; the budget is checked first, since a declared count is only a claim. */
  #open(at: number, values: number, form: number, end: number): number {
    // A value takes a byte at least.
    if (values > end - at) throw truncated('values', values, end - at);
    this.#nodes += values;
    if (this.#nodes > this.#limits.maxNodes) throw this.#exceeds('values', this.#nodes, 'maxNodes');
    if (this.#depth === this.#limits.maxDepth) throw this.#exceeds('levels', this.#depth + 1, 'maxDepth');
    const level = this.#depth * 4;
    if (level === this.#outer.length) this.#deepen();
    const outer = this.#outer;
    outer[level] = this.#left;
    outer[level + 1] = this.#form;
    outer[level + 2] = this.#end;
    outer[level + 3] = this.#firstKey;
    this.#depth++;
    this.#left = values;
    this.#form = form;
    this.#end = end;
    this.#firstKey = this.#keys.count;
    return at;
  }

  #deepen(): void {
    const deeper = new Int32Array(this.#outer.length * 2);
    deeper.set(this.#outer);
    this.#outer = deeper;
  }

  #close(at: number): void {
    if ((this.#form & payloadForm) !== 0 && at !== this.#end) {
      throw new ProtocolError(`an extension with ${this.#end - at} bytes after its contents`);
    }
    if ((this.#form & largeForm) === 0) this.#keys.forget(this.#firstKey);
    else this.#keys.endLarge();
    this.#depth--;
    const outer = this.#outer;
    const level = this.#depth * 4;
    this.#left = Number(outer[level]);
    this.#form = Number(outer[level + 1]);
    this.#end = Number(outer[level + 2]);
    this.#firstKey = Number(outer[level + 3]);
  }

  #skipLongKey(bytes: Uint8Array, at: number, head: number): number {
    if (head < 0xd9 || head > 0xdb) throw new ProtocolError('a map key that is no string');
    const width = 1 << (head - 0xd9);
    const size = this.#readSize(bytes, at + 1, width);
    const start = at + 1 + width;
    const end = this.#skipText(bytes, start, size);
    this.#checkKey(bytes, start, size);
    return end;
  }

  #checkKey(bytes: Uint8Array, start: number, size: number): void {
    if (size > this.#limits.maxKeyBytes) throw this.#exceeds('key bytes', size, 'maxKeyBytes');
    if (isPrototypeKey(bytes, start, size)) throw new ProtocolError('the map key __proto__');
    const isNew =
      (this.#form & largeForm) === 0
        ? this.#keys.add(this.#firstKey, bytes, start, size)
        : this.#keys.addLarge(bytes, start, size);
    if (!isNew) throw new ProtocolError('a map with the same key twice');
  }

  #skipText(bytes: Uint8Array, at: number, size: number): number {
    if (size > this.#limits.maxStringBytes) throw this.#exceeds('string bytes', size, 'maxStringBytes');
    const end = this.#take(at, size, 'bytes of a string');
    if (!isUtf8(bytes, at, end)) throw new ProtocolError('a string that is not UTF-8');
    // It may begin with U+FEFF, which decoders drop from texts that are long to them.
    if (bytes[at] === firstOfMark) this.#isPlain = false;
    return end;
  }

  #skipBinary(bytes: Uint8Array, at: number, width: number): number {
    const size = this.#readSize(bytes, at, width);
    if (size > this.#limits.maxBinaryBytes) throw this.#exceeds('binary bytes', size, 'maxBinaryBytes');
    this.#hasBinary = true;
    return this.#take(at + width, size, 'bytes of a byte array');
  }

  #skipLongExtension(bytes: Uint8Array, at: number, width: number): number {
    return this.#skipExtension(bytes, at + width, this.#readSize(bytes, at, width));
  }

  /** Skips an extension by its form, from its type on; those with contents open a level that ends with the payload. */
  #skipExtension(bytes: Uint8Array, at: number, size: number): number {
    const start = at + 1;
    const end = this.#take(start, size, 'bytes of an extension');
    const type = byteAt(bytes, at);
    this.#isPlain = false;
    switch (type) {
      case extensionTypes.undefined:
      case extensionTypes.negativeZero:
        if (size !== 0) throw malformed(type);
        return end;
      case extensionTypes.bigint:
        return this.#skipBigint(bytes, start, size);
      case extensionTypes.date:
        if (size !== 8) throw malformed(type);
        return end;
      case extensionTypes.text:
        return this.#skipText(bytes, start, size);
      case extensionTypes.map:
      case extensionTypes.set:
      case extensionTypes.error:
      case extensionTypes.lent:
      case extensionTypes.returned:
        return this.#openPayload(bytes, start, end, type);
      default:
        return this.#skipBinaryExtension(start, size, type);
    }
  }

  /** A Map, a Set or a reference holds one array, an Error one map: it counts as one value and one level together with that. */
  #openPayload(bytes: Uint8Array, start: number, end: number, type: number): number {
    if (start === end) throw malformed(type);
    const head = byteAt(bytes, start);
    const short = type === extensionTypes.error ? 0x80 : 0x90;
    const long = type === extensionTypes.error ? 0xde : 0xdc;
    const isShort = (head & 0xf0) === short;
    if (!isShort && (head & 0xfe) !== long) throw malformed(type);
    const width = isShort ? 0 : 2 << (head & 1);
    const size = isShort ? head & 0x0f : this.#readSize(bytes, start + 1, width);
    const at = start + 1 + width;
    if (type === extensionTypes.error) return this.#openMap(at, size, mapForm | payloadForm, end);
    if (type !== extensionTypes.map) return this.#openArray(at, size, payloadForm, end);
    if (size % 2 !== 0) throw malformed(type);
    if (size / 2 > this.#limits.maxMapEntries) throw this.#exceeds('map entries', size / 2, 'maxMapEntries');
    return this.#open(at, size, payloadForm, end);
  }

  #skipBigint(bytes: Uint8Array, start: number, size: number): number {
    const bits = bigintBits(bytes, start, size);
    if (bits === undefined) throw malformed(extensionTypes.bigint);
    if (bits > this.#limits.maxBigintBits) throw this.#exceeds('bigint bits', bits, 'maxBigintBits');
    return start + size;
  }

  #skipBinaryExtension(start: number, size: number, type: number): number {
    const kind = binaryKindsByType.get(type);
    if (kind === undefined)
      throw new ProtocolError(`the extension type ${type > 127 ? type - 256 : type}, which is unknown`);
    if (size > this.#limits.maxBinaryBytes) throw this.#exceeds('binary bytes', size, 'maxBinaryBytes');
    if (size % kind.elementBytes !== 0) throw malformed(type);
    return start + size;
  }

  /** Reads a big-endian size; what it declares is checked by the caller. */
  #readSize(bytes: Uint8Array, at: number, width: number): number {
    const end = this.#take(at, width, 'bytes of a size');
    let size = 0;
    for (let next = at; next < end; next++) size = size * 256 + byteAt(bytes, next);
    return size;
  }

  /** Takes `size` bytes, if they are there. */
  #take(at: number, size: number, what: string): number {
    if (size > this.#end - at) throw truncated(what, size, this.#end - at);
    return at + size;
  }

  #exceeds(what: string, found: number, option: keyof Limits): ProtocolError {
    const bound = `at most ${this.#limits[option]} are allowed (limits.${option})`;
    return new ProtocolError(`${found} ${what}, ${bound}`);
  }
}

function truncated(what: string, declared: number, left: number): ProtocolError {
  return new ProtocolError(`truncated: ${declared} ${what}, where ${Math.max(0, left)} bytes are left`);
}

function malformed(type: number): ProtocolError {
  return new ProtocolError(`an extension of type ${type} whose bytes are not of its form`);
}

/** Levels for which there is space from the beginning: few values are deeper, and most connections are idle. */
const usualLevels = 16;

/** The first byte of U+FEFF in UTF-8; of some other characters as well. */
const firstOfMark = 0xef;

// A level is a list unless it is a map; it may be the payload of an extension, and a map may be large.
const listForm = 0;
const mapForm = 1;
const payloadForm = 2;
const largeForm = 4;
