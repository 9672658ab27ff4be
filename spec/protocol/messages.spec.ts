import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import {
  isSessionMessage,
  memberNamePattern,
  MessageType,
  objectNamePattern,
  type Message,
} from '../../src/protocol/messages.js';
import { parseMessage } from '../../src/protocol/parse-message.js';
import { fromHex, toHex } from '../helpers/wire.js';
import { builtIn, codecs } from '../helpers/codecs.js';

const golden = JSON.parse(
  readFileSync(new URL('../golden/messages.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, string>>;

/** As many bytes as a nonce or a proof has, counted up. */
function counting(first: number, length = 32): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => first + at);
}

/** Every form that a message may have, by the name of its frozen bytes. */
const samples: Readonly<Record<string, Message>> = {
  request: [0, 1, 'calculator', 'add', [1, 2]],
  'request with meta': [0, Number.MAX_SAFE_INTEGER, 'a/b:c', 'get$', [], { metadata: { user: 'ada' } }],
  'request of a function that was lent': [0, 9, 1_099_511_627_776, '', [1], { timeoutMs: 1_500.5 }],
  'response without a result': [1, 1],
  'response with a result': [1, 1, null, 3],
  'response with a refusal': [1, 2, { code: 'unknown-object', message: 'no object', executed: 'no' }],
  'response with an error': [
    1,
    3,
    { code: 42, message: 'boom', name: 'TypeError', data: { at: 7 }, stack: 'TypeError: boom' },
  ],
  'response with an error of few words': [1, 4, { message: '' }],
  'response with a refusal after the call': [1, 5, { message: 'cannot send', executed: 'yes' }],
  notify: [2, 'log', 'write', ['text']],
  'notify with meta': [2, 'log', 'write', [], {}],
  'notify of a reference': [2, 70_000, 'write', []],
  cancel: [3, 7],
  subscribe: [4, 8, 'bank', 'balance$', [], 32],
  'subscribe with meta': [4, 10, 5, '', ['since'], 2_147_483_647, { metadata: 1, timeoutMs: 2_147_483_647 }],
  next: [5, 8, [1, 'two', null]],
  'next after dropped ones': [5, 8, [4], 3],
  complete: [6, 8],
  'complete after dropped ones': [6, 8, 70_000],
  fail: [7, 8, { message: 'boom', name: 'Error' }],
  'fail after dropped ones': [7, 8, { code: 'stream-overflow', message: 'slow', executed: 'yes' }, 2],
  credit: [8, 8, 16, 70_000],
  'credit of bytes alone': [8, 8, 0, 1],
  release: [
    12,
    [
      [5, 1],
      [1_099_511_627_776, 70_000],
    ],
  ],
  'release nothing': [12, []],
  abort: [14, 5],
  'abort with a reason': [14, 5, 'too late'],
  'register, with streams that are no methods': [
    9,
    [['bank', ['deposit', 'balance$', 'history$'], ['balance$']]],
  ],
  register: [9, [['calculator', ['add', 'sub']]]],
  'register, complete': [9, [], true],
  'register, not complete': [9, [['empty', []]], false],
  unregister: [10, ['calculator']],
  'unregister nothing': [10, []],
  identify: [11, 'desk 4'],
  'fragment, first': [13, 1, 0, Uint8Array.of(1, 2, 3)],
  'fragment, last': [13, 1, 1, Uint8Array.of(4)],
  'fragment, abandoned': [13, 1, 2, new Uint8Array(0)],
  hello: [32, { version: 1, timeoutMs: 10_000 }],
  'hello with stream bytes': [32, { version: 1, timeoutMs: 10_000, streamBytes: 4_194_304 }],
  'hello with window bytes': [32, { version: 1, timeoutMs: 10_000, windowBytes: 4_194_304 }],
  'hello with codecs': [32, { version: 1, timeoutMs: 10_000, codecs: ['msgpackr', 'other'] }],
  'hello with a ticket': [32, { version: 1, timeoutMs: 0.5, ticket: 'T-1' }],
  welcome: [33, { version: 1, connectionID: 'c-1', timeoutMs: 10_000 }],
  'welcome with stream bytes': [33, { version: 1, connectionID: 'c-1', timeoutMs: 10_000, streamBytes: 1 }],
  'welcome with window bytes': [33, { version: 1, connectionID: 'c-1', timeoutMs: 10_000, windowBytes: 1 }],
  'welcome with a codec': [33, { version: 1, connectionID: 'c-1', timeoutMs: 10_000, codec: 'msgpackr' }],
  'hello that would resume': [32, { version: 1, timeoutMs: 1, resume: { windowMs: 60_000 } }],
  'hello that resumes': [
    32,
    {
      version: 1,
      timeoutMs: 1,
      resume: {
        windowMs: 1,
        session: { connectionID: 'c-1', token: Uint8Array.of(1, 2), attempt: 1, received: 0 },
      },
    },
  ],
  'welcome that can be resumed': [
    33,
    {
      version: 1,
      connectionID: 'c-1',
      timeoutMs: 1,
      resume: { token: Uint8Array.of(1), windowMs: 1, refusal: 'expired' },
    },
  ],
  'welcome that resumes': [
    33,
    {
      version: 1,
      connectionID: 'c-1',
      timeoutMs: 1,
      resume: { token: Uint8Array.of(1), windowMs: 1, received: 7 },
    },
  ],
  refuse: [34, 'server-full', 'the server is full'],
  'refuse with a pause': [34, 'server-full', 'the server is full', 1_500],
  ping: [35, 1],
  'ping with a loop lag': [35, 1, 30_000],
  'pong with a loop lag': [36, 1, 30_000],
  pong: [36, 1],
  'ack of nothing': [37, 0],
  ack: [37, 70_000],
  sequence: [43, 1],
  goodbye: [38, 'disconnected', 'bye', 0],
  window: [44, 1_048_576],
  'goodbye after some': [38, 'timeout', 'silence', 70_000],
  timeout: [39, 2_147_483_647],
  'timeout of nothing': [39, 0],
  probe: [40],
  identity: [41, { version: 1, service: 'tandem' }],
  handover: [42, 65_535, 'T-2'],
  'hello with credentials': [32, { version: 1, timeoutMs: 10_000, credentials: { user: 'ada', pin: 7 } }],
  'hello with a nonce': [32, { version: 1, timeoutMs: 10_000, nonce: counting(0) }],
  challenge: [45, counting(32), counting(64)],
  proof: [46, counting(96)],
  'request within a call': [0, 2, 'desk', 'confirm', [], { within: 7 }],
  goaway: [47, 'server-stopped'],
  'goaway with a pause': [47, 'server-stopped', 1_500.5],
};

const text4096 = 'x'.repeat(4_096);

/** Values that are no message, by what is wrong. */
const refused: readonly (readonly [what: string, value: unknown])[] = [
  ['nothing', undefined],
  ['no array', { 0: 40 }],
  ['an empty array', []],
  ['a type that is a string', ['probe']],
  ['a type that is a boolean', [true]],
  ['a type that is negative', [-1]],
  ['a type that is no whole number', [35.5, 1]],
  ['a type after the last', [99, 1]],
  ['ACK without a number', [37]],
  ['ACK of less than nothing', [37, -1]],
  ['SEQUENCE from 0', [43, 0]],
  ['SEQUENCE with more', [43, 1, 1]],
  ['HELLO that resumes nothing', [32, { version: 1, timeoutMs: 1, resume: 1 }]],
  ['HELLO that resumes without a window', [32, { version: 1, timeoutMs: 1, resume: {} }]],
  ['HELLO that resumes no session', [32, { version: 1, timeoutMs: 1, resume: { windowMs: 1, session: 1 } }]],
  [
    'HELLO that resumes without a token',
    [
      32,
      {
        version: 1,
        timeoutMs: 1,
        resume: { windowMs: 1, session: { connectionID: 'c', attempt: 1, received: 1 } },
      },
    ],
  ],
  ['WELCOME that resumes nothing', [33, { version: 1, connectionID: 'c', timeoutMs: 1, resume: 1 }]],
  [
    'WELCOME with a long token',
    [
      33,
      { version: 1, connectionID: 'c', timeoutMs: 1, resume: { token: new Uint8Array(129), windowMs: 1 } },
    ],
  ],
  [
    'WELCOME with an empty token',
    [33, { version: 1, connectionID: 'c', timeoutMs: 1, resume: { token: new Uint8Array(0), windowMs: 1 } }],
  ],
  ['HELLO with a short nonce', [32, { version: 1, timeoutMs: 1, nonce: counting(0, 31) }]],
  ['HELLO with a text as nonce', [32, { version: 1, timeoutMs: 1, nonce: 'x'.repeat(32) }]],
  ['CHALLENGE without a proof', [45, counting(0)]],
  ['CHALLENGE with a short nonce', [45, counting(0, 31), counting(0)]],
  ['CHALLENGE with a long proof', [45, counting(0), counting(0, 33)]],
  ['CHALLENGE with one field more', [45, counting(0), counting(0), 1]],
  ['PROOF without one', [46]],
  ['PROOF with a text', [46, 'x'.repeat(32)]],
  ['PROOF with a short one', [46, counting(0, 31)]],
  ['PROOF with one field more', [46, counting(0), counting(0)]],
  ['REQUEST with id 0', [0, 0, 'a', 'b', []]],
  ['REQUEST with a negative id', [0, -1, 'a', 'b', []]],
  ['REQUEST with an id beyond the safe', [0, 2 ** 53, 'a', 'b', []]],
  ['REQUEST with a fractional id', [0, 1.5, 'a', 'b', []]],
  ['REQUEST with a text as id', [0, '1', 'a', 'b', []]],
  ['REQUEST without arguments', [0, 1, 'a', 'b']],
  ['REQUEST with a map as arguments', [0, 1, 'a', 'b', {}]],
  ['REQUEST with an array as target', [0, 1, ['a'], 'b', []]],
  ['REQUEST with an array as member', [0, 1, 'a', ['constructor'], []]],
  ['REQUEST with nil as meta', [0, 1, 'a', 'b', [], null]],
  ['REQUEST with an array as meta', [0, 1, 'a', 'b', [], []]],
  ['REQUEST with a number as meta', [0, 1, 'a', 'b', [], 1]],
  ['REQUEST with one field more', [0, 1, 'a', 'b', [], {}, 1]],
  ['REQUEST with reference 0', [0, 1, 0, '', []]],
  ['REQUEST with a fractional reference', [0, 1, 1.5, '', []]],
  ['REQUEST with no time left', [0, 1, 'a', 'b', [], { timeoutMs: 0 }]],
  ['REQUEST with a text as time', [0, 1, 'a', 'b', [], { timeoutMs: '1' }]],
  ['REQUEST with a time beyond every timer', [0, 1, 'a', 'b', [], { timeoutMs: 2_147_483_648 }]],
  ['RESPONSE without id', [1]],
  ['RESPONSE with id 0', [1, 0]],
  ['RESPONSE with nil alone', [1, 1, null]],
  ['RESPONSE with an error and a result', [1, 1, { message: 'x' }, 1]],
  ['RESPONSE with one field more', [1, 1, null, 1, 1]],
  ['RESPONSE with a text as error', [1, 1, 'boom']],
  ['RESPONSE with a Map as error', [1, 1, new Map([['message', 'x']])]],
  ['RESPONSE with an error without message', [1, 1, {}]],
  ['RESPONSE with an error whose code is a boolean', [1, 1, { message: 'x', code: true }]],
  ['RESPONSE with an error whose name is a number', [1, 1, { message: 'x', name: 1 }]],
  ['RESPONSE with an error whose stack is an array', [1, 1, { message: 'x', stack: [] }]],
  ['RESPONSE with an error that may have run', [1, 1, { message: 'x', executed: 'unknown' }]],
  ['NOTIFY without arguments', [2, 'a', 'b']],
  ['NOTIFY with reference 0', [2, 0, 'b', []]],
  ['CANCEL without id', [3]],
  ['CANCEL with one field more', [3, 1, 1]],
  ['CANCEL with id 0', [3, 0]],
  ['SUBSCRIBE without credit', [4, 1, 'a', 'b$', []]],
  ['SUBSCRIBE with no credit', [4, 1, 'a', 'b$', [], 0]],
  ['SUBSCRIBE with too much credit', [4, 1, 'a', 'b$', [], 2 ** 31]],
  ['SUBSCRIBE with a fractional credit', [4, 1, 'a', 'b$', [], 1.5]],
  ['SUBSCRIBE with id 0', [4, 0, 'a', 'b$', [], 1]],
  ['SUBSCRIBE without arguments', [4, 1, 'a', 'b$', null, 1]],
  ['SUBSCRIBE with a text as meta', [4, 1, 'a', 'b$', [], 1, 'meta']],
  ['SUBSCRIBE with one field more', [4, 1, 'a', 'b$', [], 1, {}, 1]],
  ['NEXT without id', [5]],
  ['NEXT without values', [5, 1]],
  ['NEXT with no value', [5, 1, []]],
  ['NEXT with a text as values', [5, 1, 'text']],
  ['NEXT with a negative count', [5, 1, [1], -1]],
  ['NEXT with one field more', [5, 1, [1], 0, 0]],
  ['COMPLETE without id', [6]],
  ['COMPLETE with a fractional count', [6, 1, 0.5]],
  ['COMPLETE with one field more', [6, 1, 0, 0]],
  ['FAIL without an error', [7, 1]],
  ['FAIL with a text as error', [7, 1, 'boom']],
  ['FAIL with a text as count', [7, 1, { message: '' }, '1']],
  ['FAIL with id 0', [7, 0, { message: '' }]],
  ['CREDIT without bytes', [8, 1, 1]],
  ['CREDIT of nothing', [8, 1, 0, 0]],
  ['CREDIT of less than nothing', [8, 1, -1, 1]],
  ['CREDIT of fewer bytes than none', [8, 1, 1, -1]],
  ['CREDIT with id 0', [8, 0, 1, 0]],
  ['RELEASE without references', [12]],
  ['RELEASE of a number', [12, [5]]],
  ['RELEASE of a number alone', [12, [[5]]]],
  ['RELEASE of reference 0', [12, [[0, 1]]]],
  ['RELEASE of none', [12, [[5, 0]]]],
  ['RELEASE with one field more', [12, [], 1]],
  ['ABORT without number', [14]],
  ['ABORT of reference 0', [14, 0]],
  ['ABORT with one field more', [14, 1, 1, 1]],
  ['REGISTER without objects', [9]],
  ['REGISTER with a map', [9, {}]],
  ['REGISTER with a name alone', [9, ['a']]],
  ['REGISTER with an object of one field', [9, [['a']]]],
  ['REGISTER with a number as streams', [9, [['a', [], 1]]]],
  ['REGISTER with an object of four fields', [9, [['a', [], [], 1]]]],
  ['REGISTER with a name that is none', [9, [['', []]]]],
  ['REGISTER with a name of 129 characters', [9, [['a'.repeat(129), []]]]],
  ['REGISTER with a member that is none', [9, [['a', ['_x']]]]],
  ['REGISTER with a member that is a number', [9, [['a', [1]]]]],
  ['REGISTER with a number as isComplete', [9, [], 1]],
  ['REGISTER with one field more', [9, [], true, 1]],
  ['UNREGISTER with a text', [10, 'a']],
  ['UNREGISTER with a number as name', [10, [1]]],
  ['UNREGISTER with one field more', [10, [], 1]],
  ['IDENTIFY without identifier', [11]],
  ['IDENTIFY with a number', [11, 1]],
  ['IDENTIFY with 4,097 characters', [11, `${text4096}x`]],
  ['FRAGMENT with end 3', [13, 1, 3, new Uint8Array(0)]],
  ['FRAGMENT with a boolean as end', [13, 1, true, new Uint8Array(0)]],
  ['FRAGMENT with a text as bytes', [13, 1, 0, 'bytes']],
  ['FRAGMENT with other elements', [13, 1, 0, new Uint16Array(1)]],
  ['FRAGMENT with id 0', [13, 0, 0, new Uint8Array(0)]],
  ['FRAGMENT without bytes', [13, 1, 0]],
  ['FRAGMENT with one field more', [13, 1, 0, new Uint8Array(0), 1]],
  ['HELLO without a map', [32]],
  ['HELLO with an array', [32, [1]]],
  ['HELLO with nil', [32, null]],
  ['HELLO without a version', [32, { timeoutMs: 1 }]],
  ['HELLO without a timeout', [32, { version: 1 }]],
  ['HELLO with a negative timeout', [32, { version: 1, timeoutMs: -1 }]],
  ['HELLO with a timeout that is no number', [32, { version: 1, timeoutMs: NaN }]],
  ['HELLO with a timeout beyond every timer', [32, { version: 1, timeoutMs: 2_147_483_648 }]],
  ['HELLO with an endless timeout', [32, { version: 1, timeoutMs: Infinity }]],
  ['HELLO with a number as ticket', [32, { version: 1, timeoutMs: 1, ticket: 1 }]],
  ['HELLO with no window bytes', [32, { version: 1, timeoutMs: 1, windowBytes: 0 }]],
  ['WELCOME with no window bytes', [33, { version: 1, timeoutMs: 1, connectionID: 'c', windowBytes: 0 }]],
  ['WINDOW without bytes', [44]],
  ['WINDOW of nothing', [44, 0]],
  ['WINDOW with one field more', [44, 1, 1]],
  ['HELLO with no stream bytes', [32, { version: 1, timeoutMs: 1, streamBytes: 0 }]],
  ['HELLO with a text as stream bytes', [32, { version: 1, timeoutMs: 1, streamBytes: '1' }]],
  ['HELLO with one field more', [32, { version: 1, timeoutMs: 1 }, 1]],
  ['WELCOME without a map', [33]],
  ['WELCOME with a text', [33, 'c']],
  ['WELCOME without an id', [33, { version: 1, timeoutMs: 1 }]],
  ['WELCOME without a timeout', [33, { version: 1, connectionID: 'c' }]],
  ['WELCOME without a version', [33, { timeoutMs: 1, connectionID: 'c' }]],
  [
    'WELCOME with a fraction of a stream byte',
    [33, { version: 1, timeoutMs: 1, connectionID: 'c', streamBytes: 0.5 }],
  ],
  ['GOAWAY without a code', [47]],
  ['GOAWAY with a number as code', [47, 1]],
  ['GOAWAY with a negative pause', [47, 'a', -1]],
  ['GOAWAY with one field more', [47, 'a', 1, 1]],
  ['REQUEST within call 0', [0, 1, 'a', 'b', [], { within: 0 }]],
  ['REFUSE without a message', [34, 'a']],
  ['REFUSE with a number as code', [34, 1, 'b']],
  ['REFUSE with a number as message', [34, 'a', 1]],
  ['REFUSE with a negative pause', [34, 'a', 'b', -1]],
  ['REFUSE with one field more', [34, 'a', 'b', 1, 1]],
  ['PING without id', [35]],
  ['PING with id 0', [35, 0]],
  ['PING with a lag below 0', [35, 1, -1]],
  ['PING with a part of a millisecond', [35, 1, 0.5]],
  ['PING with a text as lag', [35, 1, 'long']],
  ['PING with one field more', [35, 1, 1, 1]],
  ['PONG with one field more', [36, 1, 1, 1]],
  ['PONG with a text as id', [36, '1']],
  ['PONG without id', [36]],
  ['GOODBYE without a count', [38, 'a', 'b']],
  ['GOODBYE with a negative count', [38, 'a', 'b', -1]],
  ['GOODBYE with a fractional count', [38, 'a', 'b', 0.5]],
  ['GOODBYE with a number as code', [38, 1, 'b', 0]],
  ['GOODBYE with a number as message', [38, 'a', 1, 0]],
  ['GOODBYE with a message of 4,097 characters', [38, 'a', `${text4096}x`, 0]],
  ['GOODBYE with one field more', [38, 'a', 'b', 0, 0]],
  ['TIMEOUT without a number', [39]],
  ['TIMEOUT with a text', [39, '1']],
  ['TIMEOUT beyond every timer', [39, 2_147_483_648]],
  ['PROBE with a field', [40, 1]],
  ['HELLO with a text as codecs', [32, { version: 1, timeoutMs: 1, codecs: 'msgpackr' }]],
  ['HELLO with a number among its codecs', [32, { version: 1, timeoutMs: 1, codecs: ['a', 1] }]],
  ['HELLO with nil as codecs', [32, { version: 1, timeoutMs: 1, codecs: null }]],
  ['HELLO with a codec of 4,097 characters', [32, { version: 1, timeoutMs: 1, codecs: [`${text4096}x`] }]],
  ['WELCOME with a number as codec', [33, { version: 1, connectionID: 'a', timeoutMs: 1, codec: 1 }]],
  ['IDENTITY without a map', [41]],
  ['IDENTITY with nil', [41, null]],
  ['IDENTITY without a version', [41, { service: 'tandem' }]],
  ['IDENTITY without a service', [41, { version: 1 }]],
  ['HANDOVER with port 0', [42, 0, 't']],
  ['HANDOVER with port 65,536', [42, 65_536, 't']],
  ['HANDOVER with a number as ticket', [42, 1, 1]],
  ['HANDOVER without a ticket', [42, 1]],
];

describe('the bytes of messages', () => {
  it('are frozen for every form of every type', () => {
    expect(Object.keys(golden).sort()).toEqual(Object.keys(samples).sort());
    const types = new Set(Object.values(samples).map(([type]) => type));
    expect([...types].sort()).toEqual(Object.values(MessageType).sort());
  });

  it.each(Object.entries(samples))('are written: %s', (name, message) => {
    expect(toHex(builtIn().encode(message))).toBe(golden[name]);
  });
});

describe.each(codecs)('the bytes of messages, by %s', (_codec, codecWith) => {
  it.each(Object.entries(samples))('are as many, and read the same by any other: %s', (name, message) => {
    const bytes = codecWith().encode(message);
    expect(bytes.length * 2).toBe(golden[name]?.length);
    expect(builtIn().decodeFrame(bytes, false)).toEqual([message]);
  });

  it.each(Object.entries(samples))('are read: %s', (name, message) => {
    const [value] = codecWith().decodeFrame(fromHex(golden[name] ?? ''), false);
    expect(parseMessage(value)).toEqual(message);
  });
});

describe('parseMessage', () => {
  it.each(refused)('refuses %s', (_what, value) => {
    expect(() => parseMessage(value)).toThrow(expect.objectContaining({ code: 'protocol' }));
  });

  it('takes texts of up to 4,096 characters', () => {
    expect(parseMessage([11, text4096])).toEqual([11, text4096]);
    expect(parseMessage([38, text4096, text4096, 0])).toHaveLength(4);
  });

  it('ignores keys that it does not know, so that a newer peer may add some', () => {
    const hello = [32, { version: 1, timeoutMs: 1, future: { token: 1 } }];
    expect(parseMessage(hello)).toBe(hello);
    expect(parseMessage([0, 1, 'a', 'b', [], { trace: 'x' }])).toHaveLength(6);
    expect(parseMessage([1, 1, { message: 'x', hint: 'y' }])).toHaveLength(3);
  });

  it('names the type that it does not know, by its kind unless it is a number or boolean', () => {
    expect(() => parseMessage([99])).toThrow('unknown message type 99');
    expect(() => parseMessage([false])).toThrow('unknown message type false');
    expect(() => parseMessage(['evil\n'])).toThrow('unknown message type string');
    expect(() => parseMessage([35])).toThrow('a PING message has fields that it must not have');
  });
});

describe('isSessionMessage', () => {
  it.each(Object.entries(samples))('parts the types at 32: %s', (_name, message) => {
    expect(isSessionMessage(message)).toBe(message[0] < 32);
  });
});

describe('names', () => {
  it.each(['a', '0', '_', 'Ab9', 'a.b:c/d-e_f', 'a'.repeat(128)])('of objects include %s', (name) => {
    expect(objectNamePattern.test(name)).toBe(true);
  });

  it.each(['', '.a', '-a', 'a b', 'ä', 'a\n', 'a'.repeat(129)])('of objects exclude %j', (name) => {
    expect(objectNamePattern.test(name)).toBe(false);
  });

  it.each(['a', 'A9_', 'values$', 'a'.repeat(64), `${'a'.repeat(64)}$`])('of members include %s', (name) => {
    expect(memberNamePattern.test(name)).toBe(true);
  });

  it.each(['', '_a', '#a', '$', '9a', 'a.b', 'a$b', 'a\n', 'a'.repeat(65)])(
    'of members exclude %j',
    (name) => {
      expect(memberNamePattern.test(name)).toBe(false);
    },
  );
});
