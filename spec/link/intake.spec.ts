import { describe, expect, it } from '@jest/globals';
import { Intake } from '../../src/link/intake.js';
import { Turns } from '../../src/link/turns.js';
import type { NotifyMessage } from '../../src/protocol/messages.js';
import { HandTransport } from '../helpers/hand-transport.js';
import { VirtualClock } from '../helpers/virtual-clock.js';

const message = (at: number): NotifyMessage => [2, 'a', 'b', [at]];
const messages = (count: number, from = 0): NotifyMessage[] =>
  Array.from({ length: count }, (_, at) => message(from + at));

/** An intake whose messages take so many milliseconds each. */
function intakeOf(
  limits: { maxTurnMessages: number; maxTurnMs: number },
  messageMs = 0,
  turns = new Turns(),
  scheduler = new VirtualClock(),
) {
  const transport = new HandTransport();
  const acted: number[] = [];
  const intake: Intake = new Intake({
    transport,
    limits,
    scheduler,
    turns,
    act: (some) => {
      scheduler.frame += some.length * messageMs;
      acted.push(...some.map((each) => (each as NotifyMessage)[3][0] as number));
    },
    onTurn: () => {
      intake.begin(scheduler.now());
      intake.proceed();
      if (!intake.isPutOff) intake.rest();
    },
  });
  intake.begin(scheduler.now());
  return { scheduler, transport, acted, intake };
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

  it('lets more in where it is to be judged whether the peer is silent, and that waits too', () => {
    const { intake, acted, transport } = intakeOf({ maxTurnMessages: 10, maxTurnMs: 10 });
    intake.letIn();
    expect(transport.acts).toEqual([]);
    intake.take(messages(15));
    intake.letIn();
    expect([intake.isWaiting, intake.isPaused]).toEqual([true, false]);
    intake.wait();
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
      scheduler: new VirtualClock(),
      turns: new Turns(),
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

  it('counts what decoding takes, and says when what is unread has to wait', () => {
    const { intake, scheduler, transport } = intakeOf({ maxTurnMessages: 100, maxTurnMs: 10 });
    intake.take(messages(2));
    scheduler.frame += 6;
    expect(intake.mayReadOn()).toBe(true);
    scheduler.frame += 6;
    expect(intake.mayReadOn()).toBe(false);
    intake.wait();
    expect([transport.acts, intake.isWaiting, intake.mayReadOn(), intake.yields]).toEqual([
      ['pause'],
      true,
      false,
      1,
    ]);
    transport.finishReading();
    expect([transport.acts, intake.isWaiting, intake.mayReadOn()]).toEqual([
      ['pause', 'resume'],
      false,
      true,
    ]);
    intake.finish();
    expect(intake.mayReadOn()).toBe(false);
  });

  it('takes short turns while another connection has something to do, and long ones a second later', () => {
    const [turns, clock] = [new Turns(), new VirtualClock()];
    const limits = { maxTurnMessages: 1_000, maxTurnMs: 10 };
    const [one, other] = [intakeOf(limits, 1, turns, clock), intakeOf(limits, 1, turns, clock)];
    other.intake.take(messages(1));
    one.intake.begin(clock.now());
    one.intake.take(messages(3));
    expect(one.acted).toEqual([0]);
    one.transport.finishReading();
    expect(one.acted).toEqual([0, 1]);
    clock.frame += 1_000;
    one.transport.finishReading();
    one.intake.begin(clock.now());
    one.intake.take(messages(20, 3));
    // One, two, four and eight, of which the last begins within the turn.
    expect(one.acted).toEqual(inOrder(18));
  });

  describe('of who asks for what it may not have', () => {
    const limits = { maxTurnMessages: 40, maxTurnMs: 10 };

    it('waits nine times as long as its turn took, and a millisecond at least', () => {
      const { intake, acted, transport, scheduler } = intakeOf(limits, 0.05);
      for (let at = 0; at < 20; at += 1) intake.countRefusal();
      intake.take(messages(50));
      expect(acted).toHaveLength(40);
      transport.finishReading();
      expect([acted.length, transport.acts, intake.isWaiting]).toEqual([40, ['pause'], true]);
      scheduler.pass(17.9);
      expect(acted).toHaveLength(40);
      scheduler.pass(0.2);
      expect([acted, transport.acts]).toEqual([inOrder(50), ['pause', 'resume']]);
      transport.finishReading();
      expect([intake.isWaiting, scheduler.armed]).toEqual([false, 0]);
      for (let at = 0; at < 16; at += 1) intake.countRefusal();
      intake.take(messages(10, 50));
      transport.finishReading();
      scheduler.pass(4.4);
      expect(intake.isWaiting).toBe(true);
      scheduler.pass(0.2);
      expect(intake.isWaiting).toBe(false);
    });

    it('waits also when nothing else does, and not for ever where a turn took long', () => {
      const { intake, acted, transport, scheduler } = intakeOf(limits, 50);
      for (let at = 0; at < 16; at += 1) intake.countRefusal();
      intake.take(messages(1));
      transport.finishReading();
      expect(transport.acts).toEqual(['pause']);
      scheduler.pass(89);
      expect(transport.acts).toEqual(['pause']);
      scheduler.pass(1);
      expect([transport.acts, acted, intake.yields]).toEqual([['pause', 'resume'], [0], 1]);
    });

    it('counts refusals of several turns, and forgets them where others outweigh them', () => {
      const { intake, acted, transport, scheduler } = intakeOf(limits, 10);
      const turn = (): void => {
        intake.begin(scheduler.now());
        intake.take(messages(1, acted.length));
        transport.finishReading();
      };
      for (let at = 0; at < 16; at += 1) {
        expect(intake.isWaiting).toBe(false);
        intake.countRefusal();
        turn();
      }
      expect(intake.isPutOff).toBe(true);
      scheduler.pass(90);
      for (let at = 0; at < 16; at += 1) {
        expect(intake.isPutOff).toBe(false);
        turn();
        scheduler.pass(90);
      }
      turn();
      expect(intake.isPutOff).toBe(false);
      for (let at = 0; at < 300; at += 1) turn();
      for (let at = 0; at < 100; at += 1) {
        intake.countRefusal();
        turn();
      }
      expect(intake.isPutOff).toBe(false);
    });

    it('does not wait where refusals are few, or fewer than the other messages', () => {
      for (const [refusals, count] of [
        [15, 15],
        [16, 33],
      ] as const) {
        const { intake, transport } = intakeOf(limits);
        for (let at = 0; at < refusals; at += 1) intake.countRefusal();
        intake.take(messages(count));
        transport.finishReading();
        expect([transport.acts, intake.isWaiting]).toEqual([[], false]);
      }
    });

    it('arms nothing that outlives the end', () => {
      const { intake, acted, transport, scheduler } = intakeOf(limits);
      for (let at = 0; at < 40; at += 1) intake.countRefusal();
      intake.take(messages(50));
      transport.finishReading();
      expect(scheduler.armed).toBe(1);
      intake.finish();
      expect([acted, scheduler.armed]).toEqual([inOrder(50), 0]);
    });
  });
});
