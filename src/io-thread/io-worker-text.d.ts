/** What `#io-worker` is: the I/O thread's program, bundled to one text by `scripts/io-worker.mjs`. */
export const ioWorkerText: string;
