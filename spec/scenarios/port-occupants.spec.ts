import { afterEach, describe, expect, it } from '@jest/globals';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { PortInUseError, RPCServer, ServerAlreadyRunningException } from 'tandem-rpc';

const open: { close(): unknown }[] = [];
const sockets = new Set<Socket>();

async function occupied(server: Server): Promise<number> {
  open.push(server);
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function failureToStart(port: number, thread: boolean): Promise<unknown> {
  const server = new RPCServer({ port, thread });
  return server.start().then(
    () => server.stop(),
    (error: unknown) => error,
  );
}

describe.each([false, true])('starting a server where another program listens, thread: %s', (thread) => {
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    for (const each of open.splice(0)) await each.close();
  });

  it.each<[string, () => Server]>([
    ['http', () => createHttpServer()],
    ['ssh', () => createServer((socket) => socket.write('SSH-2.0-OpenSSH_9.6\r\n'))],
    ['tls', () => createServer((socket) => socket.write(Uint8Array.of(0x15, 3, 3, 0, 2, 2, 10, 0)))],
    ['messagepack-rpc', () => createServer((socket) => socket.write(Uint8Array.of(0x94, 1, 0, 0xc0)))],
    ['unresponsive', () => createServer()],
    ['unknown', () => createServer((socket) => socket.end('220 mail ready\r\n'))],
  ])('says so: %s', async (occupant, make) => {
    const port = await occupied(make());
    const error = await failureToStart(port, thread);
    expect(error).toBeInstanceOf(PortInUseError);
    expect(error).toMatchObject({
      code: 'port-in-use',
      occupant,
      message: expect.stringContaining(`:${port}`),
    });
  });

  it('says that it is a Tandem server, which takes the question for no connection', async () => {
    const first = new RPCServer({ port: 0, thread });
    open.push({ close: () => first.dispose() });
    const heard: unknown[] = [];
    first.connectionMade$.subscribe((id) => heard.push(id));
    first.errors$.subscribe((error) => heard.push(error));
    await first.start();
    const error = await failureToStart(first.address()?.port ?? 0, thread);
    expect(error).toBeInstanceOf(ServerAlreadyRunningException);
    expect([heard, first.connections()]).toEqual([[], []]);
  });
});
