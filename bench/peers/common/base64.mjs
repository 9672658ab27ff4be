// How peers whose messages are JSON carry bytes: as base64, decoded on both sides.

/** Makes a call with bytes out of one with text. */
export const base64EchoOf = (call) => async (bytes) =>
  Buffer.from(await call(bytes.toString('base64')), 'base64');

/** What the other side does with it. */
export const echoBase64 = (text) => Buffer.from(text, 'base64').toString('base64');
