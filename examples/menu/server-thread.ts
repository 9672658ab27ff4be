/**
 * A server in a worker thread. Its hooks run there; what they want of the menu, the main thread does.
 */
import { once } from 'node:events';
import { parentPort } from 'node:worker_threads';
import { RPCServer, runOnMainThread, runOnMainThreadWithResult } from 'tandem-rpc';
import { addMenuItem, countMenuItems, removeMenuItem } from './menu.js';

class CustomServer extends RPCServer {
  override connectionMade(connectionID: string) {
    runOnMainThread(addMenuItem, connectionID);
    console.log(`server: the menu has ${runOnMainThreadWithResult(countMenuItems)} items`);
  }

  override disconnectionMade(connectionID: string) {
    runOnMainThread(removeMenuItem, connectionID);
  }
}

if (parentPort === null) throw new Error('this is the file of a worker');
await using server = new CustomServer({ port: 0 });
await server.start();
parentPort.postMessage(server.address()?.port);
await once(parentPort, 'message'); // until the main thread has it stop
