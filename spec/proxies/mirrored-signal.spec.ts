import { describe, expect, it } from '@jest/globals';
import { addAbortListener, getEventListeners } from 'node:events';
import { fromEvent } from 'rxjs';
import { createMirroredSignal } from '../../src/proxies/mirrored-signal.js';

function made() {
  const told: boolean[] = [];
  const heard: unknown[] = [];
  const { signal, abort } = createMirroredSignal((isListened) => told.push(isListened));
  const listener = (): void => {
    heard.push(signal.reason);
  };
  return { told, heard, signal, abort, listener };
}

describe('createMirroredSignal()', () => {
  it('makes an AbortSignal', () => {
    const { signal } = made();
    expect(signal).toBeInstanceOf(AbortSignal);
    expect(Object.prototype.toString.call(signal)).toBe('[object AbortSignal]');
    expect(signal.aborted).toBe(false);
    expect(signal.onabort).toBeNull();
    expect(() => signal.throwIfAborted()).not.toThrow();
    expect(Object.keys(signal)).toEqual([]);
    expect(AbortSignal.any([signal]).aborted).toBe(false);
  });

  it('is aborted once, with the reason, and tells whoever listens', () => {
    const { signal, abort, heard, listener } = made();
    signal.addEventListener('abort', listener);
    signal.onabort = listener;
    const composite = AbortSignal.any([signal]);
    abort('because');
    abort('again');
    expect(signal.aborted).toBe(true);
    expect(heard).toEqual(['because', 'because']);
    expect(composite.reason).toBe('because');
  });

  it('has an AbortError for its reason where none was given', () => {
    const { signal, abort } = made();
    abort(undefined);
    expect(signal.reason).toMatchObject({ name: 'AbortError' });
  });

  it('tells when the first listener comes and the last goes', () => {
    const { signal, told, listener } = made();
    const other = { handleEvent: listener };
    signal.addEventListener('abort', listener);
    signal.addEventListener('abort', listener);
    signal.addEventListener('abort', other, { once: true });
    expect(told).toEqual([true]);
    signal.removeEventListener('abort', listener);
    expect(told).toEqual([true]);
    signal.removeEventListener('abort', other);
    signal.removeEventListener('abort', other);
    expect(told).toEqual([true, false]);
  });

  it('counts onabort as a listener, as long as it is a function', () => {
    const { signal, told, listener } = made();
    signal.onabort = listener;
    expect(signal.onabort).toBe(listener);
    signal.addEventListener('abort', listener);
    signal.onabort = null;
    expect(signal.onabort).toBeNull();
    expect(told).toEqual([true]);
    signal.removeEventListener('abort', listener);
    expect(told).toEqual([true, false]);
    signal.onabort = 5 as unknown as null;
    expect(told).toEqual([true, false]);
  });

  it('tells capturing listeners from others, as the platform does', () => {
    const { signal, abort, told, heard, listener } = made();
    signal.addEventListener('abort', listener, true);
    signal.addEventListener('abort', listener, { capture: false });
    signal.removeEventListener('abort', listener);
    signal.removeEventListener('abort', listener, false);
    expect(told).toEqual([true]);
    abort('because');
    expect(heard).toEqual(['because']);
    expect(told).toEqual([true, false]);
  });

  it('counts what is removed in the phase in which it was added', () => {
    const { signal, told, listener } = made();
    signal.addEventListener('abort', listener, { capture: true });
    signal.removeEventListener('abort', listener, { capture: true });
    expect(told).toEqual([true, false]);
  });

  it('does not count what the platform does not take, nor other events', () => {
    const { signal, told, listener } = made();
    signal.addEventListener('other', listener);
    signal.addEventListener('abort', listener, { signal: AbortSignal.abort() });
    signal.removeEventListener('other', listener);
    expect(told).toEqual([]);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('takes null for options', () => {
    const { signal, told, listener } = made();
    signal.addEventListener('abort', listener, null as unknown as undefined);
    signal.removeEventListener('abort', listener, null as unknown as undefined);
    expect(told).toEqual([true, false]);
  });

  it('hears when a listener goes by a signal of its own', () => {
    const { signal, told, listener } = made();
    const controller = new AbortController();
    signal.addEventListener('abort', listener, { signal: controller.signal });
    controller.abort();
    expect(told).toEqual([true, false]);
  });

  it('hears of those who listen by way of the platform and of rxjs', () => {
    const { signal, told, heard, abort, listener } = made();
    const disposable = addAbortListener(signal, listener);
    disposable[Symbol.dispose]();
    const subscription = fromEvent(signal, 'abort').subscribe(listener);
    subscription.unsubscribe();
    expect(told).toEqual([true, false, true, false]);
    addAbortListener(signal, listener);
    abort('because');
    expect(heard).toEqual(['because']);
  });

  it('is not listened to any more once it is aborted', () => {
    const { signal, abort, told, listener } = made();
    signal.addEventListener('abort', () => {
      signal.removeEventListener('abort', listener);
      signal.addEventListener('abort', listener);
    });
    signal.onabort = listener;
    abort('because');
    signal.addEventListener('abort', listener);
    signal.onabort = listener;
    expect(told).toEqual([true, false]);
  });
});
