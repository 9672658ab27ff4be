// Before any spec: what the sources import that is made of them.
import { writeIOWorker } from '../../scripts/io-worker.mjs';

export default writeIOWorker;
