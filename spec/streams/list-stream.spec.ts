import { describe, expect, it } from '@jest/globals';
import { ListStream } from '../../src/streams/list-stream.js';
import { handDelivery } from '../helpers/hand-delivery.js';

function listStream() {
  const hand = handDelivery();
  const stream = new ListStream<string>(hand);
  const seen: string[] = [];
  const listen = (name = ''): { unsubscribe(): void } =>
    stream.observable.subscribe({
      next: (items) => seen.push(`${name}${items.join('')}`),
      complete: () => seen.push(`${name}complete`),
    });
  return { ...hand, stream, seen, listen };
}

describe('ListStream', () => {
  it('begins with the present list, gives each change and completes', () => {
    const { stream, seen, listen, flush } = listStream();
    listen();
    stream.add('a');
    stream.add('b');
    stream.delete('a');
    flush();
    stream.complete();
    flush();
    expect(seen).toEqual(['', 'a', 'ab', 'b', 'complete']);
  });

  it('begins with the list delivered last, so that early and late subscribers agree', () => {
    const { stream, seen, listen, flush } = listStream();
    stream.add('a');
    listen('late ');
    expect([seen, stream.value]).toEqual([['late '], []]);
    flush();
    expect([seen, stream.value]).toEqual([['late ', 'late a'], ['a']]);
    listen('later ');
    stream.delete('a');
    flush();
    expect(seen.slice(2)).toEqual(['later a', 'late ', 'later ']);
  });

  it('tells nothing that is no change', () => {
    const { stream, seen, listen, flush } = listStream();
    listen();
    stream.add('a');
    stream.add('a');
    stream.delete('b');
    flush();
    expect(seen).toEqual(['', 'a']);
  });

  it('gives everybody a list of its own time, which does not change', () => {
    const { stream, flush } = listStream();
    const lists: (readonly string[])[] = [];
    stream.observable.subscribe((items) => lists.push(items));
    stream.add('a');
    stream.add('b');
    flush();
    expect(lists).toEqual([[], ['a'], ['a', 'b']]);
  });

  it('hears of what the callback for the first list changes, and of nothing once it has left', () => {
    const { stream, seen, listen, flush } = listStream();
    stream.observable.subscribe((items) => {
      if (items.length === 0) stream.add('a');
    });
    const subscription = listen();
    flush();
    subscription.unsubscribe();
    stream.add('b');
    flush();
    expect([seen, stream.value]).toEqual([
      ['', 'a'],
      ['a', 'b'],
    ]);
  });

  it('ignores what comes after the end, which late subscribers get with the last list', () => {
    const { stream, seen, listen, flush } = listStream();
    stream.add('a');
    stream.complete();
    stream.complete();
    stream.add('b');
    stream.delete('a');
    flush();
    listen();
    expect(seen).toEqual(['a', 'complete']);
  });
});
