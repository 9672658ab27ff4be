import { builtinModules } from 'node:module';

/** Which rooms, and which packages, each room may use. What a room lacks here it must be given as an argument. */
const rooms = {
  protocol: { rooms: ['errors'], packages: ['@msgpack/msgpack'] },
  transports: { rooms: ['errors', 'protocol'], packages: ['rxjs'] },
  streams: { rooms: ['errors', 'protocol'], packages: ['rxjs'] },
  proxies: { rooms: ['errors', 'protocol', 'streams'], packages: ['rxjs'] },
  link: { rooms: ['errors', 'protocol', 'transports'], packages: ['rxjs'] },
  rpc: {
    rooms: ['errors', 'protocol', 'transports', 'streams', 'proxies', 'link', 'io-thread', 'main-thread'],
    packages: ['rxjs'],
  },
  msgpackr: { rooms: ['protocol'], packages: ['msgpackr'] },
  threads: { rooms: ['errors'], packages: [] },
  'io-thread': { rooms: ['errors', 'protocol', 'transports', 'threads'], packages: ['rxjs'] },
  'main-thread': { rooms: ['errors', 'protocol', 'streams', 'link', 'threads'], packages: ['rxjs'] },
};

const everyRoom = ['errors', ...Object.keys(rooms), 'testing', 'index'];
const room = (name) => `^src/${name}(\\.ts$|/)`;
const builtins = `^(node:)?(${builtinModules.join('|')})(/|$)`;

const roomRules = Object.entries(rooms).flatMap(([name, may]) => [
  {
    name: `${name}-knows-only-the-rooms-below`,
    comment: `${name} may import ${may.rooms.join(', ')}`,
    severity: 'error',
    from: { path: room(name) },
    to: { path: '^src/', pathNot: [name, ...may.rooms].map(room) },
  },
  {
    name: `${name}-uses-its-packages-only`,
    comment: `${name} may import ${may.packages.join(', ')}`,
    severity: 'error',
    from: { path: room(name) },
    to: { path: 'node_modules/', pathNot: may.packages.map((it) => `node_modules/${it}/`) },
  },
]);

export default {
  forbidden: [
    ...roomRules,
    {
      name: 'errors-know-nothing',
      severity: 'error',
      from: { path: room('errors') },
      to: { pathNot: room('errors') },
    },
    {
      name: 'every-room-has-rules',
      comment: 'a new folder of src is listed above, or it escapes every rule',
      severity: 'error',
      from: { path: '^src/', pathNot: everyRoom.map(room) },
      to: {},
    },
    {
      name: 'nothing-imports-the-index',
      comment: 'the index is the door for users; inside, files import each other',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/index\\.ts$' },
    },
    {
      name: 'rpc-takes-of-threads-defaults-only',
      comment: 'where callbacks run by default, and what carries the bytes with thread: true',
      severity: 'error',
      from: { path: room('rpc') },
      to: {
        path: [room('io-thread'), room('main-thread')],
        pathNot: '^src/(main-thread/main-thread-scheduler|io-thread/thread-transports)\\.ts$',
      },
    },
    {
      name: 'nothing-imports-msgpackr',
      comment: 'it is optional: those who do not have it load nothing of it',
      severity: 'error',
      from: { path: '^src/', pathNot: room('msgpackr') },
      to: { path: [room('msgpackr'), 'node_modules/msgpackr/'] },
    },
    {
      name: 'nothing-imports-testing',
      comment: 'what serves users in their tests is not loaded by those who do not test',
      severity: 'error',
      from: { path: '^src/', pathNot: room('testing') },
      to: { path: room('testing') },
    },
    {
      name: 'protocol-is-dry',
      comment: 'no runtime is needed to speak the protocol',
      severity: 'error',
      from: { path: room('protocol') },
      to: { path: builtins },
    },
    {
      name: 'sockets-in-tcp-only',
      comment: 'and in the proxy that disturbs them, for tests',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(transports/tcp|testing/fault-)[^/]*\\.ts$' },
      to: { path: '^(node:)?net$' },
    },
    { name: 'no-circular', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
    {
      name: 'no-orphans',
      comment: 'a file that nothing imports and that imports nothing is a leftover',
      severity: 'error',
      from: {
        orphan: true,
        path: '^src/',
        pathNot: ['\\.d\\.ts$', '^src/(index|msgpackr/index|testing/index)\\.ts$'],
      },
      to: {},
    },
    {
      name: 'no-development-packages',
      comment: 'users do not have them',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        // rxjs and msgpackr are both: peers of the users, and ours to develop with.
        dependencyTypesNot: ['npm', 'npm-peer'],
      },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    // As Node resolves packages: by what they export.
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
    // Type imports count: they tie rooms together as much as values do.
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
  },
};
