import { describe, expect, it, jest } from '@jest/globals';
import { asyncScheduler } from 'rxjs';
import { RPCClient, RPCServer, type ClientOptions, type ServerOptions, sharedToken } from 'tandem-rpc';
import { msgpackrCodec } from 'tandem-rpc/msgpackr';
import { VirtualWorld } from '../helpers/virtual-world.js';

const server = (options: unknown) => () => new RPCServer(options as ServerOptions);
const client = (options: unknown) => () => new RPCClient(options as ClientOptions);

describe('options', () => {
  it.each<[object, string]>([
    [{ port: 65_536 }, 'port is 65536; allowed is a whole number from'],
    [{ port: '80' }, 'port is "80"'],
    [{}, 'port is undefined'],
    [{ host: '' }, 'host is ""; a host name or address is needed'],
    [{ host: null }, 'host is null'],
    [{ scheduler: null }, 'scheduler is no scheduler'],
    [{ transport: null }, 'transport is no TransportProvider'],
    [{ localProxyObjects: null }, 'localProxyObjects is null; an object is needed'],
    [{ limits: null }, 'limits needs an object of options'],
    [{ timeoutInSeconds: 0 }, 'timeoutInSeconds is 0; allowed is a number from 0.01 to 2147483'],
    [{ timeoutInSeconds: Infinity }, 'timeoutInSeconds is Infinity'],
    [{ thread: 1 }, 'thread is 1'],
    [{ unresponsiveAfterInSeconds: 0 }, 'unresponsiveAfterInSeconds is 0'],
    [{ disconnectUnresponsive: 'yes' }, 'disconnectUnresponsive is "yes"'],
    [{ heartbeatIntervalInSeconds: -1 }, 'heartbeatIntervalInSeconds is -1'],
    [{ callTimeoutInSeconds: '5' }, 'callTimeoutInSeconds is "5"'],
    [{ callbackScheduler: {} }, 'callbackScheduler is no scheduler'],
    [{ scheduler: { now: () => 0 } }, 'scheduler is no scheduler: it needs the methods now() and schedule()'],
    [{ transport: { dial: () => undefined } }, 'transport is no TransportProvider'],
    [{ localProxyObjects: 5 }, 'localProxyObjects is 5; an object is needed'],
    [{ localProxyObjects: { a: 5 } }, 'cannot register "a": an object is needed, not number'],
    [{ localProxyObjects: { 'a b': {} } }, 'cannot register an object as "a b"'],
    [{ exposeErrors: true }, 'exposeErrors is true; allowed is "code", "message" or "stack"'],
    [{ random: 0.5 }, 'random is 0.5; a function is needed'],
    [{ codec: null }, 'codec is no codec: it needs a name and the method create()'],
    [{ codec: 'msgpackr' }, 'codec is no codec'],
    [{ codec: { name: 'x' } }, 'codec is no codec'],
    [{ codec: { create: () => undefined } }, 'codec is no codec'],
    [{ codec: [msgpackrCodec(), undefined] }, 'codec is no codec'],
    [
      { codec: { ...msgpackrCodec(), name: 'No name' } },
      'the name of a codec is "No name"; allowed is ^[a-z]',
    ],
    [{ codec: { ...msgpackrCodec(), name: 'a'.repeat(33) } }, 'the name of a codec is "aaa'],
    [{ codec: { ...msgpackrCodec(), name: 'msgpack' } }, 'the codec "msgpack" is built in'],
    [{ codec: [msgpackrCodec(), msgpackrCodec()] }, 'there are two codecs "msgpackr"'],
    [{ limits: { maxDepth: 3 } }, 'limits.maxDepth is 3; allowed is a whole number from 4 to 512'],
    [{ limits: { maxDepth: 1_000 } }, 'limits.maxDepth is 1000'],
    // The token of a session would not cross.
    [{ limits: { maxBinaryBytes: 31 } }, 'limits.maxBinaryBytes is 31; allowed is a whole number from 32 to'],
    [{ limits: { maxArguments: 1.5 } }, 'limits.maxArguments is 1.5'],
    [{ limits: { maxCalls: 5 } }, 'limits has no option "maxCalls"; there are maxMessageBytes'],
    [{ timeout: 5 }, 'has no option "timeout"; there are port, host, localProxyObjects, timeoutInSeconds'],
  ])('of both that cannot be are refused: %j', (bad, message) => {
    const options = Object.keys(bad).length === 0 ? bad : { port: 9_000, ...bad };
    expect(server(options)).toThrow(message);
    expect(client(options)).toThrow(message);
  });

  it.each<[object, string]>([
    [
      { maxConnectionsAllowed: 1.5 },
      'maxConnectionsAllowed is 1.5; allowed is a whole number from 0, or null',
    ],
    [{ dedicatedPorts: 1 }, 'dedicatedPorts is 1; allowed is true or false'],
    [{ allowInsecure: 'yes' }, 'allowInsecure is "yes"'],
    [{ identifier: 'x' }, 'RPCServer has no option "identifier"'],
    [
      { host: '0.0.0.0' },
      'host is "0.0.0.0", which others can reach, and nothing is encrypted or authenticated',
    ],
    [
      { host: '0.0.0.0', authenticate: () => 'x' },
      'nothing is encrypted: credentials, like all else, can be read and changed on the way; listen on 127.0.0.1',
    ],
    [
      { host: '0.0.0.0', authenticate: sharedToken('x') },
      'nothing is encrypted: the shared token stays secret, but all else can be read and changed on the way',
    ],
    [
      { host: '0.0.0.0', exposeErrors: 'stack' },
      'exposeErrors: "stack" shows every caller where the program',
    ],
    [{ authenticate: 'x' }, 'authenticate is neither a function nor a shared token'],
    [{ authorize: true }, 'authorize is true; a function is needed'],
    [{ credentials: 'x' }, 'RPCServer has no option "credentials"'],
    [{ host: 'example.org', allowInsecure: false }, 'listen on 127.0.0.1 or ::1, or say allowInsecure: true'],
  ])('of a server that cannot be are refused: %j', (bad, message) => {
    expect(server({ port: 0, ...bad })).toThrow(message);
  });

  it.each<[object, string]>([
    [{ port: 0 }, 'port is 0; allowed is a whole number from 1 to 65535'],
    [{ identifier: {} }, 'the identifier is an object; a string is needed'],
    [{ maxConnectionsAllowed: 1 }, 'RPCClient has no option "maxConnectionsAllowed"'],
    [{ authenticate: () => 'x' }, 'RPCClient has no option "authenticate"'],
    [{ reconnect: 5 }, 'reconnect needs an object of options'],
    [{ reconnect: { delay: 1 } }, 'reconnect has no option "delay"'],
    [{ reconnect: { initialDelayInSeconds: -1 } }, 'reconnect.initialDelayInSeconds is -1'],
    [
      { reconnect: { maxDelayInSeconds: 3_601 } },
      'reconnect.maxDelayInSeconds is 3601; allowed is a number from 0 to',
    ],
  ])('of a client that cannot be are refused: %j', (bad, message) => {
    expect(client({ port: 9_000, ...bad })).toThrow(message);
  });

  it.each([
    [{ url: 'tcp://127.0.0.1:1' }],
    [{ url: 'tcp://localhost:65535/' }],
    [{ urls: ['tcp://one.example:9000', 'tcp://[::1]:9001'] }],
    [{ urls: Array.from({ length: 64 }, (_, at) => `tcp://h:${at + 1}`) }],
  ])('say where the servers are: %j', (where) => {
    expect(client(where)).not.toThrow();
  });

  it.each<[object, string]>([
    [{ url: 'tcp://h:1', port: 1 }, 'url goes without the option port'],
    [{ url: 'tcp://h:1', host: 'h' }, 'url goes without the option host'],
    [{ url: 'tcp://h:1', urls: ['tcp://h:1'] }, 'url goes without the option urls'],
    [{ urls: ['tcp://h:1'], port: 1 }, 'urls goes without the option port'],
    [{ urls: 'tcp://h:1' }, 'urls is to be an array of 1 to 64 texts'],
    [{ urls: [] }, 'urls is to be an array of 1 to 64 texts'],
    [{ urls: Array.from({ length: 65 }, () => 'tcp://h:1') }, 'urls is to be an array of 1 to 64 texts'],
    [{ urls: ['tcp://h:1', 5] }, 'urls[1] is number; allowed is "tcp://host:port"'],
    [{ url: 'h:1' }, 'url is "h:1"; allowed is "tcp://host:port"'],
    [{ url: '//h:1' }, 'url is "//h:1"; allowed is "tcp://host:port"'],
    [{ url: 'tls://h:1' }, 'allowed is "tcp://host:port": there is no transport for tls: yet'],
    [{ url: 'tcp://h' }, 'url is "tcp://h"; allowed is "tcp://host:port"'],
    [{ url: 'tcp://h:0' }, 'allowed is "tcp://host:port"'],
    [{ url: 'tcp://:1' }, 'allowed is "tcp://host:port"'],
    [{ url: 'tcp://h:65536' }, 'allowed is "tcp://host:port"'],
    [{ url: 'tcp://h:1/path' }, 'allowed is "tcp://host:port", and nothing else in it'],
    [{ url: 'tcp://me:secret@h:1' }, 'and nothing else in it'],
    [{ url: 'tcp://h:1?x=1' }, 'and nothing else in it'],
    [{ url: 'tcp://h:1#x' }, 'and nothing else in it'],
    [{}, 'port is undefined'],
  ])('that do not say where the servers are: %j', (where, message) => {
    expect(client(where)).toThrow(message);
  });

  it('must be given', () => {
    expect(server(undefined)).toThrow('RPCServer needs an object of options');
    expect(client(null)).toThrow('RPCClient needs an object of options');
  });

  it.each(['127.0.0.1', '127.8.8.8', '::1', 'localhost'])('listen on %s without further ado', (host) => {
    expect(server({ port: 0, host })).not.toThrow();
  });

  it('listen elsewhere when that is said, with a warning, or when something else carries the bytes', () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    expect(server({ port: 0, host: '0.0.0.0', allowInsecure: true })).not.toThrow();
    expect(warned.mock.calls).toEqual([[expect.stringContaining('0.0.0.0'), expect.anything()]]);
    warned.mockRestore();
    const { transport } = new VirtualWorld().network.options;
    expect(server({ port: 0, host: 'elsewhere', transport })).not.toThrow();
    expect(client({ port: 1, host: 'elsewhere', scheduler: asyncScheduler })).not.toThrow();
  });

  it('have TCP on a thread of its own, in real time only', () => {
    const { transport } = new VirtualWorld().network.options;
    expect(server({ port: 0, thread: true })).not.toThrow();
    const text = 'thread: true needs TCP and real time: it goes without the option';
    expect(server({ port: 0, thread: true, transport })).toThrow(`${text} transport`);
    expect(client({ port: 1, thread: true, scheduler: asyncScheduler })).toThrow(`${text} scheduler`);
  });

  it('that are undefined are as if they were absent, limits too', async () => {
    const world = new VirtualWorld();
    const limits = { maxArguments: undefined } as never;
    const service = { echo: (...values: unknown[]) => values.length };
    const { client: connected } = await world.pair(
      { localProxyObjects: { service } },
      { limits, callTimeoutInSeconds: null },
    );
    const proxy = connected.remoteProxyObject<typeof service>('service')!;
    await expect(proxy.echo(...Array.from({ length: 65 }, () => 0))).rejects.toThrow('65 arguments');
  });
});

describe('limits', () => {
  it('bound the arguments that are taken, whatever the caller allows itself', async () => {
    const world = new VirtualWorld();
    const service = { echo: (...values: unknown[]) => values.length };
    const { client: generous } = await world.pair(
      { localProxyObjects: { service }, limits: { maxArguments: 2 } },
      { limits: { maxArguments: 3 } },
    );
    const proxy = generous.remoteProxyObject<typeof service>('service')!;
    await expect(world.until(proxy.echo(1, 2))).resolves.toBe(2);
    expect(await world.failureOf(proxy.echo(1, 2, 3))).toMatchObject({
      name: 'LimitExceededError',
      executed: 'no',
      message: '3 arguments, where the other side allows 2',
    });
    expect(await world.failureOf(proxy.echo(1, 2, 3, 4))).toMatchObject({ executed: 'no' });
  });

  it('bound the objects that a peer may have registered: one too many ends the connection', async () => {
    const world = new VirtualWorld();
    const { client: greedy } = await world.pair({ limits: { maxRegisteredObjects: 2 } });
    const ends: unknown[] = [];
    greedy.disconnectionMade$.subscribe((end) => ends.push(end));
    for (const name of ['one', 'two']) greedy.registerProxyObject(name, {});
    greedy.unregisterProxyObject('one');
    greedy.registerProxyObject('three', {});
    await world.pass(0.01);
    expect(ends).toEqual([]);
    greedy.registerProxyObject('four', {});
    await world.pass(0.01);
    expect(ends).toMatchObject([{ reason: { code: 'limit-exceeded', by: 'remote' } }]);
    expect(world.errors.map(({ name }) => name)).toEqual(['LimitExceededError', 'LimitExceededError']);
    expect(world.errors[0]?.message).toContain('limits.maxRegisteredObjects');
  });
});
