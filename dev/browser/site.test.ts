import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { promisify } from 'node:util';
import { type ServerType, serve } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { inspect } from './console/inspect.ts';
import { openTab } from './tab.ts';

/** The site of the documentation, built as `npm run site` does, below a path of its own. */

const BASE = '/docs/';

let folder: string;
let server: ServerType;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-ticket-site-'));
  // Without the variables of vitest, which are some of Vite's.
  const { PATH, HOME } = process.env;
  const env = { ...quietEnvironment({ PATH, HOME }), SITE_BASE: BASE };
  await promisify(execFile)('astro', ['build', '--root', `${ROOT}dev/site`, '--outDir', folder], { env });
  const app = new Hono().use(
    `${BASE}*`,
    serveStatic({ root: folder, rewriteRequestPath: (path) => path.slice(BASE.length - 1) }),
  );
  server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  await new Promise((resolve) => server.once('listening', resolve));
  // A server of a host and a port has an address of this kind.
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${BASE}`;
}, 180_000);

afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

it('every link of a page leads to a page, a heading or a file of the site', async () => {
  const files = await readdir(folder, { recursive: true });
  const texts = new Map<string, string>();
  for (const file of files)
    if (file.endsWith('.html')) texts.set(`${BASE}${file}`, await readFile(join(folder, file), 'utf8'));
  const known = new Set(files.map((file) => `${BASE}${file}`));
  const broken = [...texts].flatMap(([path, html]) =>
    [...html.matchAll(/ href="([^"]+)"/g)]
      .map(([, href = '']) => href)
      .filter((href) => {
        if (/^[a-z]+:/.test(href)) return false;
        const [to = '', anchor] = href.split('#');
        const target =
          to === '' ? path : posix.join(posix.dirname(path), posix.relative(posix.dirname(path), to));
        const file =
          known.has(target) && texts.get(target) === undefined ? target : posix.join(target, 'index.html');
        const page = texts.get(target) ?? texts.get(file);
        if (page === undefined) return !known.has(target);
        return anchor !== undefined && anchor !== '_top' && !page.includes(` id="${anchor}"`);
      })
      .map((href) => `${path}: ${href}`),
  );
  expect(texts.size).toBeGreaterThan(40);
  expect(broken).toEqual([]);
});

it('has the Markdown of each page, and an index for programs that names them', async () => {
  const index = await (await fetch(`${url}llms.txt`)).text();
  const pages = [...index.matchAll(/\]\((\S+\.md)\)/g)].map(([, path = '']) => path);
  expect(pages.length).toBeGreaterThan(40);
  for (const path of pages) {
    const answer = await fetch(new URL(path, url));
    const repository = await readFile(`${ROOT}docs/${path.slice(BASE.length)}`, 'utf8');
    expect(await answer.text()).toBe(repository);
  }
});

it('finds a word without another machine, and leads to its page', async () => {
  const { page } = await openTab(`${url}operate/keys/`);
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByPlaceholder('Search').fill('TICKET_REPLAY');
  await page.getByRole('dialog').getByRole('link', { name: 'Settings' }).first().click();
  await page.waitForURL(/\/reference\/settings\//);
});

it.each(['start/concepts/', 'policy/access-modes/', 'reference/http/', ''])(
  'the page /%s fits a phone, has no serious fault of access, and is readable in both themes',
  async (path) => {
    const { page, screenshot } = await openTab(`${url}${path}`);
    // The library's search button: its name lacks the keys that it shows.
    await inspect(page, ['button[data-open-modal]']);
    await screenshot(`site-${path.replaceAll('/', '-')}index`);
  },
);
