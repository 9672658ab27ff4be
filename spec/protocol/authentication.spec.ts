import { createHmac, timingSafeEqual } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { ExtData } from '@msgpack/msgpack';
import type { Prover } from '../../src/protocol/authentication.js';
import { HandCore } from '../helpers/hand-core.js';
import { fromHex, openingBytes, toHex } from '../helpers/wire.js';

const prover = proverWith('correct horse battery staple');
const clientNonce = Uint8Array.from({ length: 32 }, (_, at) => at);
const serverNonce = Uint8Array.from({ length: 32 }, (_, at) => 255 - at);

/** The proofs for these nonces and this secret, as PROTOCOL.md has them. */
const serverProof = fromHex('810db25260cbb186397cd7e459e39d81451986addcc04c99dc715e3225524089');
const clientProof = fromHex('7bf95c8ca7af4dadef9858bb458f6b0475fc76bc93aab36f875067318d588387');
const zeros = new Uint8Array(32);

const hello = [32, { version: 1, timeoutMs: 9_000, nonce: clientNonce }];
const welcome = [33, { version: 1, connectionID: 'c1', timeoutMs: 9_000 }];

function proverWith(secret: string): Prover {
  const tag = (text: Uint8Array) => new Uint8Array(createHmac('sha256', secret).update(text).digest());
  return { prove: tag, isProof: (text, proof) => timingSafeEqual(tag(text), proof) };
}

/** A client that wants its server to prove the token, once it has said so. */
function dialer(): HandCore {
  const authentication = { token: { prover, nonce: clientNonce } };
  const hand = new HandCore({ side: 'dialer', authentication }, { authenticationTimeoutMs: 10_000 });
  hand.takeMessages();
  return hand.receive(openingBytes);
}

/** A server that has challenged its client. */
function listener(known: Prover = prover): HandCore {
  const hand = new HandCore({ side: 'listener' }, { authenticationTimeoutMs: 10_000 });
  hand.receive(openingBytes).hear(hello);
  hand.core.challenge(known, serverNonce);
  return hand;
}

describe('a client with a shared token', () => {
  it('says a nonce in place of credentials', () => {
    const authentication = { token: { prover, nonce: clientNonce } };
    const [[, said]] = new HandCore({ side: 'dialer', authentication }).takeMessages() as [[32, object]];
    expect(said).toMatchObject({ nonce: clientNonce });
    expect(said).not.toHaveProperty('credentials');
  });

  it('answers a right proof by its own, and is welcomed', () => {
    const hand = dialer().hear([45, serverNonce, serverProof]);
    expect(hand.takeMessages()).toEqual([[46, clientProof]]);
    expect(hand.hear(welcome).core.isEstablished).toBe(true);
  });

  it.each<[string, readonly unknown[]]>([
    ['a wrong proof', [45, serverNonce, zeros]],
    ['a proof for another nonce', [45, zeros, serverProof]],
    ['the proof of a client', [45, serverNonce, clientProof]],
    ['no proof, but WELCOME', welcome],
    ['no proof, but HANDOVER', [42, 4_000, 'T']],
    ['no proof, but a refusal of the token', [34, 'unauthenticated', 'go away']],
  ])('is refused by the client, which says nothing: %s', (_what, message) => {
    const hand = dialer().hear(message);
    expect(hand.happened).toEqual(['closed']);
    expect(hand.closed?.reason).toMatchObject({ code: 'unauthenticated', by: 'local' });
    expect(hand.takeBytes()).toHaveLength(0);
  });

  it('believes other refusals, and one of the token by a server that has proved itself', () => {
    const full = dialer().hear([34, 'server-full', 'full', 7]).closed;
    expect(full).toMatchObject({ reason: { code: 'server-full', by: 'remote' }, retryAfterMs: 7 });
    const hand = dialer().hear([45, serverNonce, serverProof], [34, 'unauthenticated', 'no']);
    expect(hand.closed?.reason).toMatchObject({ code: 'unauthenticated', by: 'remote' });
  });

  it('takes no second challenge, nor one that it did not ask for', () => {
    const challenge = [45, serverNonce, serverProof];
    expect(dialer().hear(challenge, challenge).closed?.reason.code).toBe('protocol-error');
    const hand = new HandCore({ side: 'dialer' }).receive(openingBytes).hear(challenge);
    expect(hand.closed?.reason.message).toBe('a CHALLENGE that was not asked for');
  });
});

describe('a server with a shared token', () => {
  it('proves itself first', () => {
    const hand = listener();
    expect(hand.takeMessages()).toEqual([[45, serverNonce, serverProof]]);
    expect(hand.happened).toEqual(['hello']);
  });

  it('tells whether the proof of the client is right', () => {
    expect(listener().hear([46, clientProof]).events.at(-1)).toEqual({ type: 'proof', isRight: true });
    for (const proof of [zeros, serverProof]) {
      expect(listener().hear([46, proof]).events.at(-1)).toEqual({ type: 'proof', isRight: false });
    }
    expect(listener(proverWith('another')).hear([46, clientProof]).events.at(-1)).toMatchObject({
      isRight: false,
    });
  });

  it('takes one proof, and only when it was asked for', () => {
    const twice = listener().hear([46, zeros], [46, clientProof]);
    expect(twice.closed?.reason.message).toBe('a PROOF that was not asked for');
    const early = new HandCore({ side: 'listener' }).receive(openingBytes).hear([46, clientProof]);
    expect(early.closed?.reason.code).toBe('protocol-error');
  });

  it('challenges nobody who did not offer it', () => {
    const hand = new HandCore({ side: 'listener' }).receive(openingBytes);
    expect(hand.core.challenge(prover, serverNonce)).toBe(false);
    hand.hear([32, { version: 1, timeoutMs: 1 }]);
    expect(hand.core.challenge(prover, serverNonce)).toBe(false);
    expect(hand.takeMessages()).toEqual([]);
  });

  it('takes nothing else meanwhile', () => {
    for (const message of [[9, [], true], [35, 1], hello]) {
      expect(listener().hear(message).closed?.reason.code).toBe('protocol-error');
    }
  });
});

describe('credentials', () => {
  it('are said in HELLO, whatever they are, and not at all where there are none', () => {
    const said = (credentials: unknown) =>
      new HandCore({ side: 'dialer', authentication: { credentials } }).takeMessages()[0]?.[1];
    expect(said({ user: 'ada' })).toMatchObject({ credentials: { user: 'ada' } });
    expect(said(null)).toMatchObject({ credentials: null });
    expect(said(undefined)).not.toHaveProperty('credentials');
  });

  it('hold no references', () => {
    const credentials = { callback: new ExtData(8, Uint8Array.of(0x92, 0, 5)) };
    const hand = new HandCore({ side: 'listener' }).receive(openingBytes);
    hand.hear([32, { version: 1, timeoutMs: 9_000, credentials }]);
    expect(hand.closed?.reason.message).toBe('a HELLO with references');
  });
});

describe('the time for authentication', () => {
  it('begins for a server with HELLO, and for what follows it with WELCOME', () => {
    const hand = new HandCore({ side: 'listener' }, { authenticationTimeoutMs: 10_000 });
    hand.pass(4_000).receive(openingBytes).hear(hello);
    expect(hand.core.nextDeadlineMs).toBe(14_000);
    hand.pass(9_000).welcome();
    expect(hand.core.nextDeadlineMs).toBeLessThanOrEqual(18_000);
    hand.pass(4_999).confirmSuspicion();
    expect(hand.closed).toBeUndefined();
    hand.pass(1).confirmSuspicion();
    expect(hand.closed?.reason.message).toBe('the peer did not complete the handshake within 5000 ms');
  });

  it('ends, and the client is told', () => {
    const hand = listener();
    hand.takeMessages();
    hand.pass(10_000).confirmSuspicion();
    expect(hand.takeMessages()).toEqual([
      [34, 'handshake-timeout', 'no end came of the authentication within 10000 ms'],
    ]);
  });

  it('begins for a client once its server has begun to speak', () => {
    const silent = new HandCore({ side: 'dialer' }, { authenticationTimeoutMs: 10_000 });
    silent.pass(5_000).confirmSuspicion();
    expect(silent.closed?.reason.message).toBe(
      'the peer did not begin to speak this protocol within 5000 ms',
    );
    const hand = dialer().pass(14_999).confirmSuspicion();
    expect(hand.closed).toBeUndefined();
    hand.pass(1).confirmSuspicion();
    expect(hand.closed?.reason.message).toBe(
      'the server said nothing about the authentication within 10000 ms',
    );
  });
});

it('writes the transcript of PROTOCOL.md', () => {
  const label = (role: string) => [...new TextEncoder().encode(`tandem-rpc shared token, ${role}`), 0, 1];
  const text = (role: string) => Uint8Array.of(...label(role), ...clientNonce, ...serverNonce);
  expect(toHex(prover.prove(text('server')))).toBe(toHex(serverProof));
  expect(toHex(prover.prove(text('client')))).toBe(toHex(clientProof));
});
