import { describe, expect, it } from '@jest/globals';
import {
  ConnectionLostError,
  InvalidArgumentsError,
  RPCError,
  RPCTimeoutError,
  StaleReferenceError,
  StreamLostError,
  StreamOverflowError,
  type ArgumentIssue,
} from 'tandem-rpc';
import type { WireError } from '../../src/protocol/messages.js';
import { errorFromWire, refusalOf } from '../../src/rpc/wire-errors.js';

const call = { connectionID: 'c', object: 'bank', member: 'deposit' };

/** The error at the other side. */
function crossed(error: RPCError, executed: 'no' | 'yes' = 'no'): RPCError {
  // What is no plain data would not cross.
  return errorFromWire(JSON.parse(JSON.stringify(refusalOf(error, executed))) as WireError, call);
}

function issuesFrom(data: unknown): readonly ArgumentIssue[] {
  const wire: WireError = { code: 'invalid-arguments', message: 'wrong', executed: 'no', data };
  const error = errorFromWire(wire, call);
  expect(error).toMatchObject({ ...call, message: 'wrong', executed: 'no' });
  if (error instanceof InvalidArgumentsError) return error.issues;
  throw new Error('an InvalidArgumentsError was expected');
}

describe('a refusal', () => {
  it.each([StaleReferenceError, StreamOverflowError, StreamLostError, RPCTimeoutError, ConnectionLostError])(
    'is the same error at the other side: %p',
    (Refusal) => {
      const error = crossed(new Refusal('refused', { cause: new Error('secret') }), 'yes');
      expect(error.constructor).toBe(Refusal);
      expect(error).toMatchObject({ ...call, message: 'refused', executed: 'yes' });
      expect(error.cause).toBeUndefined();
    },
  );

  it('of an unknown kind is a plain error with its code', () => {
    const error = crossed(new RPCError('a schema failed', { cause: new Error('secret') }, 'schema-failed'));
    expect(error.constructor).toBe(RPCError);
    expect(error).toMatchObject({ ...call, code: 'schema-failed', executed: 'no' });
    expect(error.cause).toBeUndefined();
  });

  it('is chosen by no name that every object has', () => {
    for (const code of ['constructor', '__proto__', 'toString']) {
      const error = errorFromWire({ code, message: 'm', executed: 'no' }, call);
      expect([error.constructor, error.code]).toEqual([RPCError, code]);
    }
  });
});

describe('refused arguments', () => {
  const issue: ArgumentIssue = { message: 'must be more than 0', path: [0, 'parts', 1, 'amount'] };

  it('cross with their issues', () => {
    const error = crossed(new InvalidArgumentsError('arguments[0]: wrong', [issue, issue]));
    expect(error).toBeInstanceOf(InvalidArgumentsError);
    expect(error).toMatchObject({
      ...call,
      code: 'invalid-arguments',
      message: 'arguments[0]: wrong',
      executed: 'no',
      issues: [issue, issue],
    });
  });

  it('cross also where an interceptor made them of what cannot cross', () => {
    const odd: unknown[] = [
      { message: 'm'.repeat(1_000_000), path: [0, 'k'.repeat(1_000_000)] },
      { message: 'half \ud83d', path: ['\ud83d'] },
      { message: 'm', path: Array.from({ length: 100_000 }, () => 'k') },
      { message: 'm', path: [Symbol('s')] },
      { message: () => 'm', path: [] },
      undefined,
    ];
    const wire = refusalOf(new InvalidArgumentsError('m', odd as ArgumentIssue[]), 'no');
    const issues = wire.data as readonly ArgumentIssue[];
    expect(issues.map(({ message, path }) => [message.length, path.length])).toEqual([
      [256, 2],
      [6, 1],
      [1, 32],
    ]);
    expect(issues[1]).toEqual({ message: 'half \ufffd', path: ['\ufffd'] });
    const none = new InvalidArgumentsError('m', undefined as unknown as ArgumentIssue[]);
    expect(refusalOf(none, 'no').data).toEqual([]);
  });

  it('stay small, whatever was refused', () => {
    const worst = {
      message: '\u4e00'.repeat(1_000),
      path: Array.from({ length: 64 }, () => '\u4e00'.repeat(64)),
    };
    const error = new InvalidArgumentsError('m', Array<ArgumentIssue>(1_000).fill(worst));
    expect(Buffer.byteLength(JSON.stringify(refusalOf(error, 'no')))).toBeLessThan(256 * 1024);
  });

  it('have no more issues than 32, of any length a peer likes', () => {
    expect(issuesFrom(Array<unknown>(33).fill(issue))).toHaveLength(32);
    expect(issuesFrom([{ message: 'm'.repeat(257), path: ['k'.repeat(65)] }])).toEqual([
      { message: `${'m'.repeat(255)}…`, path: [`${'k'.repeat(63)}…`] },
    ]);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'issues'],
    ['an object', { 0: issue, length: 1 }],
    ['a function', () => [issue]],
  ])('have no issues where a peer sends %s', (_, data) => {
    expect(issuesFrom(data)).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a text', 'wrong'],
    ['no message', { path: [0] }],
    ['no path', { message: 'm' }],
    ['a message that is no text', { message: ['m'], path: [0] }],
    ['a path that is no list', { message: 'm', path: { length: 1, 0: 'a' } }],
    ['a key that is none', { message: 'm', path: [0, { key: 'a' }] }],
    ['a function', () => issue],
  ])('leave out an issue that is %s', (_, odd) => {
    expect(issuesFrom([odd, issue])).toEqual([issue]);
  });

  it('have nothing of an issue but its words and place', () => {
    expect(issuesFrom([{ ...issue, extra: 1 }])).toEqual([issue]);
  });
});
