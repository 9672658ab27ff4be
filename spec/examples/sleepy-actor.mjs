// A process of a play that only listens: whoever connects is told, by the end of the connection, when it has ended.
import { createServer } from 'node:net';
import { follow, tell } from '../../examples/demo/actor.mjs';

follow({});
const listener = createServer().listen(0, '127.0.0.1', () => {
  tell('listening', `port ${listener.address().port}`);
});
