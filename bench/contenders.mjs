// Who is measured: this library, the floors, and the peers of bench/peers.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const here = (file) => new URL(file, import.meta.url);

/** The peer that all ratios refer to. */
export const base = 'floor';

/** This library as it is built. */
export const ours = new Map([['tandem-rpc', `library:${here('../dist/index.mjs').href}`]]);

/** The same with the codec of another package. */
export const withMsgpackr = new Map([
  ['tandem-rpc, msgpackr', `library:${here('../dist/index.mjs').href}#msgpackr`],
]);

/** The same with sockets and heartbeats on a thread of their own, at both ends. */
export const threaded = new Map([
  ['tandem-rpc, threads', `library:${here('../dist/index.mjs').href}#thread`],
]);

/** The same with sessions that outlive connections. */
export const resuming = new Map([['tandem-rpc, resume', `library:${here('../dist/index.mjs').href}#resume`]]);

/** The same at one end, beside an inline peer: on two cores there is no other way for each busy thread to have its own. */
export const halfThreaded = new Map([
  ['tandem-rpc, client threaded', `library:${here('../dist/index.mjs').href}#client-thread`],
]);

/** What bare sockets do. */
export const floors = new Map([
  [base, here('floor.mjs').href],
  ['floor, length per batch', here('floor-multi.mjs').href],
  ['floor, raw', here('floor-raw.mjs').href],
]);

/** Other libraries, each in a file of bench/peers that is named after it. */
export function findPeers() {
  const files = readdirSync(here('peers/')).filter((file) => file.endsWith('.mjs'));
  return new Map(files.map((file) => [file.slice(0, -'.mjs'.length), here(`peers/${file}`).href]));
}

/** A build of this library in a folder. */
export function libraryAt(dist) {
  if (!existsSync(resolve(dist, 'index.mjs'))) throw new Error(`${dist} holds no build`);
  return `library:${pathToFileURL(resolve(dist, 'index.mjs')).href}`;
}

/** The folders of the packages that are measured. */
export function packageFolders({ withPeers }) {
  const own = ['../', '../node_modules/@msgpack/msgpack/', '../node_modules/rxjs/'].map(here);
  if (!withPeers) return own;
  const { dependencies } = JSON.parse(readFileSync(here('package.json'), 'utf8'));
  return [...own, ...Object.keys(dependencies).map((name) => here(`node_modules/${name}/`))];
}
