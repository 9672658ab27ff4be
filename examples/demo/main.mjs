/**
 * The demo: a server, three clients, each a process of its own, and what can happen to them. `npm start` plays it.
 */
import { play } from './play.mjs';
import { scenes } from './scenes.mjs';

await play('Tandem: one server, three clients, and a rough day', scenes);
