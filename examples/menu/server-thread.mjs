// Node 20 does not load TypeScript in a worker by itself. A program that is compiled starts its worker's file directly.
import { tsImport } from 'tsx/esm/api';

await tsImport('./server-thread.ts', import.meta.url);
