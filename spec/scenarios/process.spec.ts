import { describe, expect, it } from '@jest/globals';
import { runProgram } from '../helpers/child-process.js';

const pairOf = (thread: boolean): string => `
  import { RPCClient, RPCServer } from 'tandem-rpc';
  const service = { echo: (value: unknown) => value, fail: () => { throw new Error('thrown'); } };
  const server = new RPCServer({ port: 0, thread: ${thread}, localProxyObjects: { service } });
  await server.start();
  const client = new RPCClient({ port: server.address()!.port, thread: ${thread} });
  client.connectToServer();
  const proxy = await client.whenRemoteProxyObject<typeof service>('service');
`;

describe.each([false, true])('a process, thread: %s', (thread) => {
  const pair = pairOf(thread);

  it('ends by itself once its client and server have stopped', async () => {
    const { code, output } = await runProgram(`${pair}
      const beganAt = performance.now();
      process.on('exit', () => console.log(performance.now() - beganAt < 1_000 ? 'soon' : 'late'));
      await proxy.echo(1);
      await client.disconnectFromServer();
      await server.stop();
    `);
    expect([code, output.trim()]).toEqual([0, 'soon']);
  });

  it('ends by itself once they were disposed of, with a client that never found its server', async () => {
    const { code, output } = await runProgram(`${pair}
      const lonely = new RPCClient({ port: 1, thread: ${thread} });
      lonely.connectToServer();
      await Promise.all([client.dispose(), server.dispose(), lonely.dispose()]);
    `);
    expect([code, output]).toEqual([0, '']);
  });

  it('survives observers and hooks that throw, with a warning for each kind', async () => {
    const { code, output } = await runProgram(`${pair}
      for (const stream$ of [client.status$, client.disconnectionMade$, server.connections$])
        stream$.subscribe(() => { throw new RangeError('observer'); });
      client.connectionMade = () => { throw new Error('hook'); };
      client.disconnectionMade = () => Promise.reject(new TypeError('async hook'));
      proxy.fail().catch(() => undefined);
      await client.disconnectFromServer();
      await client.dispose();
      await server.dispose();
      console.log('survived');
    `);
    expect(code).toBe(0);
    expect(output).toContain('survived');
    expect(output).toContain('TandemWarning');
    expect(output.match(/"RangeError" "observer"/g)).toHaveLength(2);
  });
});
