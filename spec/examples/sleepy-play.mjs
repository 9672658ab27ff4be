// A play whose actor never does what the scene expects of it, within the seconds given.
import { play } from '../../examples/demo/play.mjs';

await play('A play about nothing', [
  {
    title: 'Somebody should sing',
    withinSeconds: Number(process.argv[2]),
    async act(stage) {
      stage.enter('actor', new URL('sleepy-actor.mjs', import.meta.url).href, {});
      await stage.expect('actor', 'listening');
      if (process.argv[3] === 'stopped') stage.signal('actor', 'SIGSTOP', 'stops the actor');
      await stage.expect('actor', 'singing', { voice: 'loud' });
    },
  },
]);
