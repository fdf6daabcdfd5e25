import { describe, expect, it } from 'vitest';
import { directionFaults } from './direction.ts';
import { globalsOf } from './globals.ts';
import { readRepository } from './repository.ts';
import { parseCode } from './syntax.ts';

const globalsIn = (text: string) =>
  globalsOf(parseCode({ path: 'a.ts', text }).program).map(({ name }) => name);

describe('a global counts', () => {
  it.each([
    ['fetch(url);', 'fetch'],
    ['globalThis.fetch(url);', 'fetch'],
    ["globalThis['fetch'](url);", 'fetch'],
    ['const f = ports.fetch ?? fetch;', 'fetch'],
    ['const ports = { fetch };', 'fetch'],
    ['function a(get = fetch) {}', 'fetch'],
    ['function a(fetch) {} fetch(url);', 'fetch'],
    ['declare const fetch: unknown; fetch;', 'fetch'],
    ['Date.now();', 'Date.now'],
    ['new Date();', 'new Date()'],
    ['Date();', 'Date()'],
    ['(fetch as Fetch)(url);', 'fetch'],
    ['class A { @callable() go() { return crypto.randomUUID(); } }', 'crypto.randomUUID'],
    ['process.env.KEK;', 'process'],
    ['const { KEK } = process.env;', 'process'],
    ['import.meta.env.MODE;', 'import.meta.env'],
    ['(() => console.log(1))();', 'console'],
  ])('%s', (text, name) => {
    expect(globalsIn(text)).toContain(name);
  });
});

describe('names that are no globals do not count', () => {
  it.each([
    ['ports.fetch(url);', 'fetch'],
    ['({ fetch: 1 });', 'fetch'],
    ['function a({ fetch }) { return fetch(url); }', 'fetch'],
    ['const f = (fetch: Fetch) => { { fetch(url); } };', 'fetch'],
    ["import { fetch } from './ports.ts'; fetch(url);", 'fetch'],
    ['interface Ports { fetch: typeof fetch }', 'fetch'],
    ['class A { fetch() {} }', 'fetch'],
    ['try {} catch (process) { process; }', 'process'],
    ['for (const process of all) process;', 'process'],
    ['new Date(now);', 'new Date()'],
    ["const text = 'fetch(url)'; // fetch(url)", 'fetch'],
    ['crypto.subtle.digest(a, b);', 'crypto.randomUUID'],
  ])('%s', (text, name) => {
    expect(globalsIn(text)).not.toContain(name);
  });
});

describe('who may use which global', () => {
  const faults = (path: string, text: string) => directionFaults([{ path, text }]);
  it.each([
    ['shared/src/a.ts', 'const at = Date.now();', 'shared is pure'],
    ['shared/src/a.ts', 'setTimeout(go, 1);', 'shared is pure'],
    ['shared/src/a.ts', 'process.env.A;', 'read the environment'],
    ['broker/src/config/config.ts', 'process.env.A;', 'read the environment'],
    ['agent-worker/src/gate.ts', 'import.meta.env.A;', 'read the environment'],
  ])('%s may not: %s', (path, text, because) => {
    expect(faults(path, `\n${text}`)).toEqual([
      { file: path, line: 2, message: expect.stringContaining(because) },
    ]);
  });
  it.each([
    ['client/src/a.ts', 'fetch(url); Date.now(); setTimeout(go, 1);'],
    ['shared/src/a.test.ts', 'Date.now();'],
    ['broker/src/node.ts', 'process.env.A;'],
    ['broker/src/a.ts', 'fetch(url);'],
    ['dev/quiet.ts', 'process.env.A;'],
  ])('%s may: %s', (path, text) => {
    expect(faults(path, text)).toEqual([]);
  });
});

it('no page keeps anything in the storage of the browser', async () => {
  const pages = (await readRepository()).filter(
    ({ path }) =>
      /^(client\/src|broker\/console|agent-worker\/demo)\/.+\.(ts|tsx|html)$/.test(path) &&
      !/\.test\.tsx?$/.test(path),
  );
  expect(pages.length).toBeGreaterThan(50);
  const using = pages.filter(({ text }) => /\b(localStorage|sessionStorage|indexedDB|caches)\b/.test(text));
  expect(using.map(({ path }) => path)).toEqual([]);
});
