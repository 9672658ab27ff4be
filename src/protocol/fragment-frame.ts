/**
 * The frame of a fragment, read and written by hand: a general decoder, its checks and its copies cost more than all else that
 * is done for a fragment. PROTOCOL.md, "Fragments".
 */

import { ProtocolError } from '../errors.js';
import { byteAt } from './bytes.js';
import { MessageType, type FragmentMessage } from './messages.js';

/** Bytes of the longest head that is written: the frame's length, the array, type, id, end, and the header of the bytes. */
export const maxHeadBytes = 4 + 1 + 1 + 9 + 1 + 5;

/**
 * Writes what stands before a fragment's bytes in the stream, the length of the frame included.
 *
 * @param target - where to; from its end backwards, so that it ends where the bytes begin
 * @param end - where in the target the bytes begin; at least `maxHeadBytes`
 * @param id - of the message
 * @param state - the field `end`
 * @param size - how many bytes follow
 * @returns where the head begins
 */
export function writeFragmentHead(
  target: Uint8Array,
  end: number,
  id: number,
  state: FragmentMessage[2],
  size: number,
): number {
  let start = writeNumber(target, end, 4, size);
  target[--start] = 0xc6;
  target[--start] = state;
  if (id < 0x80) target[--start] = id;
  else {
    const width = id < 0x100 ? 1 : id < 0x1_0000 ? 2 : id < 0x1_0000_0000 ? 4 : 8;
    start = writeNumber(target, start, width, id);
    target[--start] = 0xcc + Math.log2(width);
  }
  target[--start] = MessageType.fragment;
  target[--start] = 0x94;
  return writeNumber(target, start, 4, end - start + size);
}

/** Writes a number, big-endian. @returns where it begins */
function writeNumber(target: Uint8Array, end: number, width: number, value: number): number {
  let rest = value;
  for (let at = end - 1; at >= end - width; at -= 1) {
    target[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return end - width;
}

/** Whether a frame, of which at least the first two bytes are there, begins like a fragment. */
export function isFragmentFrame(frame: Uint8Array): boolean {
  return frame[1] === MessageType.fragment;
}

/**
 * Reads a frame that begins like a fragment.
 *
 * @param frame - untrusted
 * @returns the fragment; its bytes are a view of the frame
 * @throws {@link ProtocolError} if it is not one fragment and nothing else
 */
export function readFragmentFrame(frame: Uint8Array): FragmentMessage {
  const [id, afterID] = readNumber(frame, 2);
  const [state, afterState] = readNumber(frame, afterID);
  const start = readBinaryHeader(frame, afterState);
  const isWell = frame[0] === 0x94 && Number.isSafeInteger(id) && id > 0;
  if (!isWell || !isState(state) || Number.isNaN(start)) {
    throw new ProtocolError('a fragment that is not of its form, or not alone in its frame');
  }
  return [MessageType.fragment, id, state, frame.subarray(start)];
}

function isState(state: number): state is FragmentMessage[2] {
  return state === 0 || state === 1 || state === 2;
}

/** Reads a number in any form that MessagePack has. @returns it, NaN for what is none, and where it ends */
function readNumber(frame: Uint8Array, start: number): readonly [number, number] {
  const form = Number(frame[start]);
  if (form < 0x80) return [form, start + 1];
  const width = numberWidths.get(form);
  const end = start + 1 + Number(width);
  // Also for a form that is not known, whose end is no number.
  if (!(end <= frame.length)) return [Number.NaN, start];
  if (form < firstInteger) {
    const view = new DataView(frame.buffer, frame.byteOffset);
    return [form === float32 ? view.getFloat32(start + 1) : view.getFloat64(start + 1), end];
  }
  // What is negative is none of the numbers that a fragment has.
  const isNegative = form >= firstSigned && byteAt(frame, start + 1) >= 0x80;
  return [isNegative ? Number.NaN : readUnsigned(frame, start + 1, end), end];
}

const float32 = 0xca;
const firstInteger = 0xcc;
const firstSigned = 0xd0;

const numberWidths: ReadonlyMap<number, number> = new Map([
  [float32, 4],
  [0xcb, 8],
  [0xcc, 1],
  [0xcd, 2],
  [0xce, 4],
  [0xcf, 8],
  [0xd0, 1],
  [0xd1, 2],
  [0xd2, 4],
  [0xd3, 8],
]);

/** Reads the header of bytes that fill the rest of the frame. @returns where they begin, NaN if they do not */
function readBinaryHeader(frame: Uint8Array, start: number): number {
  const form = Number(frame[start]);
  if (form < 0xc4 || form > 0xc6) return Number.NaN;
  const end = start + 1 + 2 ** (form - 0xc4);
  return end + readUnsigned(frame, start + 1, end) === frame.length ? end : Number.NaN;
}

/** NaN where the frame is too short. */
function readUnsigned(frame: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at += 1) value = value * 256 + byteAt(frame, at);
  return value;
}
