/**
 * A program with a main loop of its own, as native user interfaces have: hooks and subscribers run within its frames.
 *
 * In an Electron window with `nodeIntegration`, `scheduler` being the window's own:
 *   setMainThreadHost({ post: (work) => void scheduler.postTask(work, { priority: 'user-visible' }) });
 * with the frames that are drawn, which stand still while the window is hidden:
 *   setMainThreadHost({ post: (work) => void requestAnimationFrame(work) });
 * In Angular, so that each slice is followed by one detection of changes:
 *   setMainThreadHost({ post: (work) => ngZone.run(work) });
 */
import { RPCClient, RPCServer, setMainThreadHost } from 'tandem-rpc';

class UserInterface {
  readonly #works: (() => void)[] = [];
  isInFrame = false;

  /** What runs on the main loop, in the next frame. */
  post(work: () => void) {
    this.#works.push(work);
  }

  async run(until: () => boolean) {
    while (!until()) {
      this.isInFrame = true;
      for (const work of this.#works.splice(0)) work();
      this.isInFrame = false;
      await new Promise((resolve) => setTimeout(resolve, 16));
    }
  }
}

const userInterface = new UserInterface();
setMainThreadHost(userInterface);

const heard: string[] = [];
const hear = (what: string) => {
  heard.push(what);
  console.log(`${what}, ${userInterface.isInFrame ? 'within' : 'outside'} a frame`);
};

class CustomServer extends RPCServer {
  override connectionMade() {
    hear('server: connectionMade');
  }
}

class CustomClient extends RPCClient {
  override connectionMade() {
    hear('client: connectionMade');
  }
}

await using server = new CustomServer({ port: 0 });
await server.start();
await using client = new CustomClient({ port: server.address()?.port ?? 0 });
client.connectToServer();
await userInterface.run(() => heard.length === 2);
setMainThreadHost(undefined); // who ends its main loop takes it back
