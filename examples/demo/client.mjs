/**
 * A client of the demo. It looks for its server as long as it lives, and tells what it sees of it.
 */
import { currentCall, RPCClient } from 'tandem-rpc';
import { aborted, bow, describe, follow, setup, short, tell } from './actor.mjs';

class DemoClient extends RPCClient {
  connectionMade(connectionID) {
    tell('connected', `● has found the server, and is ${short(connectionID)} there`);
  }

  disconnectionMade(_connectionID, reason) {
    const next = this.canStop() ? '; looks for the server again' : '';
    tell('gone', `○ ${reason}${next}`, { code: reason.code });
  }
}

class ClientCommands {
  printMessage(text) {
    tell('message', `← the server says: ${text}`);
    return `${setup.identifier} has read it`;
  }

  async ponder() {
    tell('pondering', '  ponders …');
    await aborted(currentCall().signal);
  }
}

class Bank {
  #coins = 1_234;

  giveMeAllYourMoney() {
    const coins = this.#coins;
    this.#coins = 0;
    tell('robbed', `← is robbed of ${coins} gold coins`);
    return coins;
  }
}

const cues = {
  async callServer({ text }) {
    tell('calling', `→ serverCommands.printMessage("${text}")`);
    await serverCommands.printMessage(text);
    tell('called', '← it was printed');
  },

  async passNote({ to, text }) {
    tell('calling', `→ serverCommands.passNote("${to}", "${text}")`);
    tell('passed', `← ${await serverCommands.passNote(to, text)}`);
  },

  async share({ coins, people }) {
    tell('calling', `→ serverCommands.share(${coins}, ${people})`);
    const error = await serverCommands.share(coins, people).catch((reason) => reason);
    tell('failed', `✗ ${describe(error)}: ${error.remoteName}: ${error.message}`, {
      executed: error.executed,
    });
  },

  async sing() {
    tell('singing', '→ serverCommands.finishTheSong()');
    tell('sung', `← "${await serverCommands.finishTheSong()}"`);
  },

  registerBank() {
    tell('registering', '  opens a bank: registerProxyObject("Bank", new Bank())');
    client.registerProxyObject('Bank', new Bank());
  },

  async leave() {
    await client.disconnectFromServer();
    await client.dispose();
    tell('left', '○ has left');
    bow();
  },
};

const client = new DemoClient({ ...setup, localProxyObjects: { clientCommands: new ClientCommands() } });
follow(cues);
client.connectToServer();
tell('looking', '  looks for the server');
/** By name: it serves again after each reconnect, also to another server. */
const serverCommands = await client.whenRemoteProxyObject('serverCommands');
