/**
 * The row of those who write a byte a second, before the handshake is done and behind it: F12.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { RPCClient } from '../../../src/rpc/client.js';
import { MessageType } from '../../../src/protocol/messages.js';
import { filler, framed, frameOf } from '../../helpers/wire.js';
import { Ear } from '../raw-socket.js';
import { percentile, type FaultRow } from '../row.js';
import { nowMs, pass, type Stage } from '../stage.js';

/** What they write, and until when healthy clients come and go beside them. */
interface Dripping {
  readonly count: number;
  /** Written a byte a second. */
  readonly bytes: Uint8Array;
  /** Said at once, before that; with it they finish the handshake. */
  readonly greeting?: Uint8Array;
  readonly timeoutInSeconds: number;
  /** They are given up after this time, in milliseconds. */
  readonly limitMs: number;
}

/** Has so many of them write until the server has closed all; how long each could stay. */
async function drip(stage: Stage, { count, bytes, greeting, timeoutInSeconds, limitMs }: Dripping) {
  const server = stage.actor();
  const { port } = await server.ask('serve', { port: 0, timeoutInSeconds });
  const restBytes = await server.ask('rest');
  await server.ask('watch');
  const closedMs: number[] = [];
  const sockets: Socket[] = [];
  /** Those that write, and how many bytes each has written. */
  const dripping = new Map<Socket, number>();
  for (let number = 0; number < count; number += 1) {
    const socket = connect(port, '127.0.0.1').resume();
    socket.on('error', () => undefined);
    socket.once('connect', () => {
      const fromMs = nowMs();
      socket.once('close', () => closedMs.push(nowMs() - fromMs));
      if (greeting === undefined) dripping.set(socket, 0);
      else greet(socket, greeting, () => dripping.set(socket, 0));
    });
    sockets.push(socket);
  }
  const dripper = setInterval(() => {
    for (const [socket, at] of dripping) {
      if (socket.writable) socket.write(bytes.subarray(at, at + 1));
      dripping.set(socket, at + 1);
    }
  }, 1_000);
  const connectMs: number[] = [];
  const endMs = nowMs() + limitMs;
  // While all are there: what the process has from the system besides is what V8 keeps of the healthy ones that come and go.
  let aliveBytes = NaN;
  const looking = pass(limitMs / 2).then(async () => {
    aliveBytes = (await server.ask('rest')) - restBytes;
  });
  try {
    while (closedMs.length < count && nowMs() < endMs) {
      const client = new RPCClient({ port });
      const fromMs = nowMs();
      client.connectToServer();
      await client.whenConnected();
      connectMs.push(nowMs() - fromMs);
      await client.dispose();
      await pass(20);
    }
  } finally {
    clearInterval(dripper);
    for (const socket of sockets) socket.destroy();
  }
  const { grownBytes } = await server.ask('watched');
  await looking;
  return {
    closedMinMs: Math.min(...closedMs),
    closedMaxMs: Math.max(...closedMs),
    bytesEach: grownBytes / count,
    aliveBytesEach: aliveBytes / count,
    connectP99Ms: percentile(connectMs, 0.99),
    connectMaxMs: Math.max(...connectMs),
    connects: connectMs.length,
    stillOpen: count - closedMs.length,
    unmade: count - dripping.size,
  };
}

/** Finishes the handshake, as an ordinary client does. */
function greet(socket: Socket, greeting: Uint8Array, onMade: () => void): void {
  const ear = new Ear();
  let isMade = false;
  socket.write(greeting);
  socket.on('data', (chunk) => {
    if (isMade || !ear.hear(chunk).some(([type]) => type === MessageType.welcome)) return;
    isMade = true;
    socket.write(frameOf([MessageType.register, [], true]));
    onMade();
  });
}

/** Writers that are slow. */
export const f12: FaultRow = {
  id: 'F12',
  fault: '1,000 sockets that write 1 byte/s, and never finish the handshake, or the first frame behind it',
  targets: {
    closedMaxMs: ['at most', 5_500],
    bytesEach: ['at most', 32 * 1_024],
    connectP99Ms: ['at most', 50],
    stillOpen: ['exactly', 0],
    // 46 s from the frame's beginning on, and the first byte comes up to a second after the handshake.
    behindClosedMaxMs: ['at most', 48_000],
    behindClosedMinMs: ['at least', 45_500],
    behindAliveBytesEach: ['at most', 32 * 1_024],
    behindConnectP99Ms: ['at most', 50],
    behindStillOpen: ['exactly', 0],
    behindUnmade: ['exactly', 0],
  },
  always: ['stillOpen', 'behindUnmade'],
  play: async (stage) => {
    const hello = await firstBytes();
    const count = stage.isShort ? 50 : 1_000;
    const before = await drip(stage, {
      count,
      bytes: hello,
      timeoutInSeconds: stage.isShort ? 0.4 : 10,
      limitMs: stage.isShort ? 2_000 : 30_000,
    });
    const behind = await drip(stage, {
      count,
      bytes: framed(filler(200_000)),
      greeting: hello,
      timeoutInSeconds: 10,
      // The suite has no 46 s, which no option changes; in virtual time spec/rpc/hostile-peers.spec.ts has them.
      limitMs: stage.isShort ? 500 : 60_000,
    });
    return {
      closedMaxMs: before.closedMaxMs,
      bytesEach: before.bytesEach,
      connectP99Ms: before.connectP99Ms,
      connectMaxMs: before.connectMaxMs,
      connects: before.connects,
      stillOpen: before.stillOpen,
      behindClosedMinMs: behind.closedMinMs,
      behindClosedMaxMs: behind.closedMaxMs,
      behindBytesEach: behind.bytesEach,
      behindAliveBytesEach: behind.aliveBytesEach,
      behindConnectP99Ms: behind.connectP99Ms,
      behindConnectMaxMs: behind.connectMaxMs,
      behindConnects: behind.connects,
      behindStillOpen: behind.stillOpen,
      behindUnmade: behind.unmade,
      sockets: count,
    };
  },
};

/** What a client says first. */
async function firstBytes(): Promise<Uint8Array> {
  const listener = createServer();
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  const client = new RPCClient({ port: (listener.address() as AddressInfo).port });
  client.connectToServer();
  const [socket] = (await once(listener, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Uint8Array];
  socket.destroy();
  await client.dispose();
  listener.close();
  return bytes;
}
