import { describe, expect, it } from '@jest/globals';
import { CloseReason, maxReasonLength, printable } from '../../src/protocol/close-reason.js';

describe('CloseReason', () => {
  it('stands in a sentence as its message', () => {
    expect(`ended: ${String(new CloseReason('timeout', 'nothing was heard', 'local'))}`).toBe(
      'ended: nothing was heard',
    );
  });

  it.each([
    'disconnected',
    'server-stopped',
    'server-full',
    'too-many-sessions',
    'timeout',
    'handshake-timeout',
    'protocol-error',
    'limit-exceeded',
    'too-many-cancels',
    'connection-lost',
  ])('takes the code %s from a peer', (code) => {
    expect(CloseReason.fromPeer(code, 'x')).toMatchObject({ code, message: 'x', by: 'remote' });
  });

  it.each(['', 'going-away', 'Timeout', '__proto__'])(
    'takes the unknown code %j for an ordinary end',
    (code) => {
      expect(CloseReason.fromPeer(code, 'x').code).toBe('disconnected');
    },
  );

  it('makes the text of a peer safe', () => {
    expect(CloseReason.fromPeer('timeout', '\u001b[2Jevil\n').message).toBe('\ufffd[2Jevil\ufffd');
    expect(CloseReason.fromPeer('timeout', 'x'.repeat(4_096)).message).toBe(
      `${'x'.repeat(maxReasonLength)}…`,
    );
  });
});

describe('printable', () => {
  it.each(['\0', '\n', '\u001f', '\u007f', '\u009f', '\u2028', '\u2029'])('replaces %j', (character) => {
    expect(printable(`a${character}b`, 10)).toBe('a\ufffdb');
  });

  it('leaves everything else', () => {
    expect(printable(' ~\u00a0ä€😀', 10)).toBe(' ~\u00a0ä€😀');
    expect(printable('', 0)).toBe('');
  });

  it('cuts what is longer than allowed', () => {
    expect(printable('abc', 3)).toBe('abc');
    expect(printable('abcd', 3)).toBe('abc…');
  });

  it('leaves no half of a character: that would have no UTF-8', () => {
    expect(printable('a\ud800', 10)).toBe('a\ufffd');
    expect(printable('\udc00a', 10)).toBe('\ufffda');
    expect(printable('a😀b', 2)).toBe('a\ufffd…');
  });
});
