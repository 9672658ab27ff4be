import { describe, expect, it } from '@jest/globals';
import { Fifo } from '../../src/streams/fifo.js';

describe('Fifo', () => {
  it('is empty at first', () => {
    const fifo = new Fifo<object>();
    expect(fifo.length).toBe(0);
    expect(fifo.take()).toBeUndefined();
  });

  it('gives values in the order in which they came, while more come', () => {
    const fifo = new Fifo<{ readonly index: number }>();
    const taken: (number | undefined)[] = [];
    let index = 0;
    for (let round = 0; round < 3000; round += 1) {
      fifo.push({ index: index++ });
      fifo.push({ index: index++ });
      taken.push(fifo.take()?.index);
      expect(fifo.length).toBe(index - taken.length);
    }
    while (fifo.length > 0) {
      taken.push(fifo.take()?.index);
    }
    expect(taken).toEqual(Array.from({ length: index }, (_, each) => each));
    expect(fifo.take()).toBeUndefined();
  });
});
