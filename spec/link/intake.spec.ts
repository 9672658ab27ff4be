import { describe, expect, it } from '@jest/globals';
import { Intake } from '../../src/link/intake.js';
import type { NotifyMessage } from '../../src/protocol/messages.js';
import { HandTransport } from '../helpers/hand-transport.js';

const message = (at: number): NotifyMessage => [2, 'a', 'b', [at]];
const messages = (count: number, from = 0): NotifyMessage[] =>
  Array.from({ length: count }, (_, at) => message(from + at));

/** An intake whose messages take so many milliseconds each. */
function intakeOf(limits: { maxTurnMessages: number; maxTurnMs: number }, messageMs = 0) {
  const clock = { nowMs: 0 };
  const transport = new HandTransport();
  const acted: number[] = [];
  const intake: Intake = new Intake({
    transport,
    limits,
    now: () => clock.nowMs,
    act: (some) => {
      clock.nowMs += some.length * messageMs;
      acted.push(...some.map((each) => (each as NotifyMessage)[3][0] as number));
    },
    onTurn: () => {
      intake.proceed();
    },
  });
  return { clock, transport, acted, intake };
}

const inOrder = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

describe('Intake', () => {
  it('passes on at once what is within a turn', () => {
    const { intake, acted, transport } = intakeOf({ maxTurnMessages: 100, maxTurnMs: 10 });
    intake.take(messages(1));
    intake.take(messages(9, 1));
    expect([acted, transport.acts, intake.yields]).toEqual([inOrder(10), [], 0]);
  });

  it('lets others have their turn after so many messages, in order and without reading more', () => {
    const { intake, acted, transport } = intakeOf({ maxTurnMessages: 10, maxTurnMs: 10 });
    intake.take(messages(25));
    expect([acted.length, transport.acts, intake.yields]).toEqual([10, ['pause'], 1]);
    // What was on its way to this side all the same.
    intake.take(messages(5, 25));
    expect(acted).toHaveLength(10);
    transport.finishReading();
    expect([acted.length, transport.acts]).toEqual([20, ['pause']]);
    transport.finishReading();
    expect([acted, transport.acts, intake.yields]).toEqual([inOrder(30), ['pause', 'resume'], 2]);
    transport.finishReading();
    intake.take(messages(10, 30));
    expect(acted).toEqual(inOrder(40));
  });

  it('lets others have their turn after so many milliseconds, one message at a time if each is slow', () => {
    const { intake, acted, transport } = intakeOf({ maxTurnMessages: 1_000, maxTurnMs: 10 }, 6);
    intake.take(messages(5));
    expect(acted).toHaveLength(3);
    transport.finishReading();
    expect([acted, intake.yields]).toEqual([inOrder(5), 1]);
  });

  it('counts what comes in several pieces within one turn', () => {
    const { intake, acted, transport } = intakeOf({ maxTurnMessages: 10, maxTurnMs: 10 });
    for (let at = 0; at < 12; at += 1) intake.take([message(at)]);
    expect([acted.length, intake.yields]).toEqual([10, 1]);
    transport.finishReading();
    expect(acted).toEqual(inOrder(12));
    transport.finishReading();
    for (let at = 12; at < 20; at += 1) intake.take([message(at)]);
    expect([acted, intake.yields]).toEqual([inOrder(20), 1]);
  });

  it('reads on where it is to be judged whether the peer is silent, as far as that needs', () => {
    const { intake, acted, transport } = intakeOf({ maxTurnMessages: 10, maxTurnMs: 10 });
    intake.readOn();
    expect(transport.acts).toEqual([]);
    intake.take(messages(15));
    intake.readOn();
    intake.take(messages(5, 15));
    expect([acted.length, transport.acts]).toEqual([10, ['pause', 'resume', 'pause']]);
  });

  it('acts on what had arrived before the end, and on nothing after it', () => {
    const { intake, acted, transport } = intakeOf({ maxTurnMessages: 10, maxTurnMs: 10 });
    intake.take(messages(25));
    intake.finish();
    expect(acted).toEqual(inOrder(25));
    transport.finishReading();
    intake.finish();
    expect(acted).toEqual(inOrder(25));
  });

  it('stops in the middle where the end comes by a message', () => {
    const acted: number[] = [];
    const intake: Intake = new Intake({
      transport: new HandTransport(),
      limits: { maxTurnMessages: 10, maxTurnMs: 10 },
      now: () => 0,
      act: (some) => {
        acted.push(some.length);
        if (acted.length === 2) intake.finish();
      },
      onTurn: () => undefined,
    });
    intake.take(messages(8));
    intake.proceed();
    expect([acted, intake.yields]).toEqual([[1, 2], 0]);
  });
});
