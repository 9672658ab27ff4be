import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { resolveClientOptions, resolveServerOptions } from '../src/rpc/options.js';
import { defaultLimits } from '../src/protocol/limits.js';

const readme = readFileSync('README.md', 'utf8');

/** Rows of the table below a heading: the name in the first column, the text of the second. */
function tableOf(heading: string): Map<string, string> {
  const section = readme.split(`## ${heading}\n`)[1]!.split('\n## ')[0]!;
  return new Map(
    [...section.matchAll(/^\| `([\w.]+)` \| ([^|]+) \|/gm)].map(([, name, text]) => [name!, text!]),
  );
}

describe('README.md', () => {
  it('shows an example as it is', () => {
    expect(readme).toContain(readFileSync('examples/greeter.ts', 'utf8'));
  });

  it('links to files that are there', () => {
    const links = [...readme.matchAll(/\]\((?!#)([^)]+)\)/g)].map(([, target]) => target!);
    expect(links.filter((target) => !existsSync(target))).toEqual([]);
  });

  it('quotes the specs that it names', () => {
    const seed = readFileSync('spec/seed.spec.ts', 'utf8');
    const quotes = [...readme.matchAll(/seed: (.*) \|$/gm)].flatMap(([, quoted]) =>
      [...quoted!.matchAll(/"([^"]+)"/g)].map(([, quote]) => quote!),
    );
    expect(quotes.filter((quote) => !seed.includes(quote))).toEqual([]);
    expect(quotes.length).toBeGreaterThan(10);
  });

  it('lists every limit with its default', () => {
    const limits = [...tableOf('Limits')].map(([name, text]) => [name, Number(text.replaceAll(',', ''))]);
    expect(Object.fromEntries(limits)).toEqual(defaultLimits);
  });

  it('lists the options that there are', () => {
    const value = (name: string) => (name === 'reconnect' || name === 'resume' ? {} : undefined);
    const accepted = (resolve: (options: never) => unknown, name: string) => {
      try {
        resolve({ port: 1, [name]: name === 'port' ? 1 : value(name) } as never);
        return true;
      } catch {
        return false;
      }
    };
    const names = [...tableOf('Options').keys()].map((name) => name.split('.')[0]!);
    const refused = names.filter(
      (name) => !accepted(resolveServerOptions, name) && !accepted(resolveClientOptions, name),
    );
    expect(refused).toEqual([]);
  });
});
