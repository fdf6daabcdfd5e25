import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { AGENTS } from '../../agents.ts';
import { createBroker } from '../src/open-broker.ts';
import { startBroker } from './broker.ts';
import { call, expectRefusal } from './call.ts';
import { SETTINGS } from './settings.ts';

describe('the console', () => {
  it.each([
    ['/console', 'text/html; charset=utf-8', '<!doctype html>'],
    ['/console/console.js', 'text/javascript; charset=utf-8', 'Broker console'],
    ['/console/console.css', 'text/css; charset=utf-8', ':root'],
    ['/console/icon.svg', 'image/svg+xml', '<svg'],
  ])('%s is a file of it, the same for everybody', async (path, type, beginning) => {
    const { status, headers, text } = await call(path);
    expect([status, headers.get('content-type')]).toEqual([200, type]);
    expect(text).toContain(beginning);
  });

  it('is found by its address with a slash at the end, too', async () => {
    const { status, headers } = await call('/console/');
    expect([status, headers.get('location')]).toEqual([308, '../console']);
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('may load its own files and call the broker, and no page may frame it', async () => {
    const policy = (await call('/console')).headers.get('content-security-policy')?.split('; ');
    expect(policy).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      "connect-src 'self'",
      "form-action 'none'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ]);
  });

  it('is revalidated each time, and not sent again while it is unchanged', async () => {
    const first = await call('/console/console.js');
    expect(first.headers.get('cache-control')).toBe('no-cache');
    const etag = first.headers.get('etag') ?? '';
    const again = await call('/console/console.js', { headers: { 'if-none-match': etag } });
    expect([again.status, again.text]).toEqual([304, '']);
    const other = await call('/console/console.js', { headers: { 'if-none-match': '"other"' } });
    expect(other.status).toBe(200);
  });

  it.each([
    ...['/console/console.html', '/console/meta.json', '/console/none.js', '/console/x/console.js'],
    ...['/console/..%2fconsole.js', '/console/%2e%2e/console.js', '/console/.js', '/console/constructor'],
    ...['/consoles', '/console.js', '/Console', '/console/console.js/', '/console/console.js%00.js'],
  ])('%s is not a file of it', async (path) => {
    expectRefusal(await call(path), '404 NOT_FOUND');
  });

  it('is read-only', async () => {
    expect((await call('/console', { method: 'POST', json: {} })).status).toBe(405);
  });

  it('is below the path of an issuer that has one, with the same policy', async () => {
    const { app } = startBroker({
      settings: { ISSUER: 'https://broker.test/tickets' },
      runtime: { consoleFile: async (name) => new Response(name) },
    });
    const below = { front: (request: Request) => app.fetch(request) };
    const page = await call('/tickets/console', below);
    expect([page.status, page.text]).toEqual([200, 'console.html']);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect((await call('/tickets/console/console.js', below)).text).toBe('console.js');
    expect((await call('/tickets/', below)).text).toContain('href="/tickets/console"');
  });

  it('is missing where its files are not bound', async () => {
    const { app } = startBroker();
    expectRefusal(await call('/console', { front: (request) => app.fetch(request) }), '404 NOT_FOUND');
  });

  it('is never served in the worker of agents, even where its files are bound', async () => {
    const { answer } = createBroker({ agents: AGENTS, basePath: '/broker' });
    const { WORKERS: _, ...settings } = { WORKERS: '', ...SETTINGS };
    const mounted = {
      ...{ CONTROL: env.CONTROL, RECORD: env.RECORD, MINT_SHARD: env.MINT_SHARD, CONSOLE: env.CONSOLE },
      ...settings,
      ...{
        ISSUER: 'https://app.test/broker',
        AGENT_WORKER_URL: 'https://app.test',
        BASE_URL: 'https://sso.test',
      },
      ...{ ALLOWED_ORIGINS: 'https://app.test', BROKER: env.CONSOLE },
    };
    for (const url of ['https://sso.test/console', 'https://app.test/broker/console'])
      expect((await answer(new Request(url), mounted))?.status, url).toBe(404);
  });
});
