// Each bundler in the way that its users set it up for a program for Node, everything in one file.
import { basename, dirname } from 'node:path';
import commonjs from '@rollup/plugin-commonjs';
import nodeResolve from '@rollup/plugin-node-resolve';
import { build as buildByESBuild } from 'esbuild';
import { rollup } from 'rollup';
import { build as buildByVite } from 'vite';
import webpack from 'webpack';

/** @type {Record<string, (entry: string, file: string) => Promise<unknown>>} */
export const bundlers = {
  esbuild: (entry, file) =>
    buildByESBuild({ entryPoints: [entry], outfile: file, bundle: true, platform: 'node', format: 'esm' }),

  async rollup(entry, file) {
    const bundle = await rollup({
      input: entry,
      plugins: [nodeResolve({ preferBuiltins: true, exportConditions: ['node'] }), commonjs()],
      // Whoever writes to a proxied `this` of a dependency's CommonJS is no concern of ours.
      onwarn: () => undefined,
    });
    await bundle.write({ file, format: 'es' });
    await bundle.close();
  },

  vite: (entry, file) =>
    buildByVite({
      configFile: false,
      logLevel: 'silent',
      ssr: { noExternal: true, target: 'node' },
      build: {
        ssr: entry,
        outDir: dirname(file),
        target: 'node20',
        rollupOptions: { output: { entryFileNames: basename(file) } },
      },
    }),

  webpack: (entry, file) =>
    new Promise((resolve, reject) => {
      webpack(
        {
          entry,
          mode: 'production',
          target: 'node20',
          experiments: { outputModule: true },
          output: { path: dirname(file), filename: basename(file), module: true },
        },
        (error, stats) => {
          if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString('errors-only')));
          else resolve(stats);
        },
      );
    }),
};
