// `npm start`: the demo, from whatever state the working copy is in.
import { ensureBuilt } from './prepare.mjs';

ensureBuilt();
// In this very process, so that a signal sent to it reaches the demo, which then ends its own processes.
await import('../examples/demo/main.mjs');
