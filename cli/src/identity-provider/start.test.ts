import { spawnSync } from 'node:child_process';
import { get } from 'node:http';
import { connect } from 'node:net';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { PATIENCE_MS } from '@agent-ticket/shared/test/patience.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IdentityProvider, startIdentityProvider } from './start.ts';

let provider: IdentityProvider;

beforeAll(async () => {
  provider = await startIdentityProvider({ port: 0 });
});

afterAll(() => provider.close());

// These start processes and make RSA keys, which takes seconds on a busy machine.
describe('starting and closing', () => {
  it('serves on loopback only and names itself by the address it has', () => {
    expect(provider.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(provider).toMatchObject({
      access: {
        issuer: 'https://dev-team.cloudflareaccess.com',
        audience: expect.stringMatching(/^[0-9a-f]{64}$/),
        certsUrl: `${provider.url}/access/cdn-cgi/access/certs`,
        identityUrl: `${provider.url}/access/cdn-cgi/access/get-identity`,
      },
      auth0: {
        domain: 'dev-tenant.auth.test',
        issuer: 'https://dev-tenant.auth.test/',
        audience: 'https://broker.test/api',
        jwksUrl: `${provider.url}/.well-known/jwks.json`,
      },
    });
  });

  it('rejects with the port in the message when the port is taken', async () => {
    const port = Number(new URL(provider.url).port);
    await expect(startIdentityProvider({ port })).rejects.toThrow(
      `cannot listen on 127.0.0.1:${port}: the port is in use`,
    );
  });

  it.each([
    ['access.audience', { access: { audience: 'short' } }],
    ['access.teamDomain', { access: { teamDomain: 'https://team.test' } }],
    ['auth0.domain', { auth0: { domain: 'tenant.test/' } }],
  ])('refuses a wrong %s by name', async (name, options) => {
    await expect(startIdentityProvider({ port: 0, ...options })).rejects.toThrow(name);
  });

  it('closes at once over idle, waiting and silent connections, and may be closed twice', async () => {
    const other = await startIdentityProvider({ port: 0 });
    await fetch(other.access.certsUrl); // leaves a connection open for reuse
    other.fail(other.access.certsUrl, { delayMs: 3_600_000 });
    const waiting = fetch(other.access.certsUrl).then(
      () => 'answered',
      () => 'cut off',
    );
    await new Promise<void>((resolve) => {
      const socket = connect(Number(new URL(other.url).port), '127.0.0.1', resolve);
      socket.on('error', () => undefined);
    });
    await eventually(() => expect(other.requests()).toHaveLength(2));
    await Promise.all([other.close(), other.close()]);
    expect(await waiting).toBe('cut off');
    await expect(fetch(other.access.certsUrl)).rejects.toThrow();
  });

  it('prints nothing, and leaves nothing that keeps a process alive', () => {
    const script = `
      import { startIdentityProvider } from ${JSON.stringify(new URL('./start.ts', import.meta.url).href)};
      const provider = await startIdentityProvider({ port: 0 });
      const { clientId: client_id, clientSecret: client_secret, audience, tokenUrl } = provider.auth0;
      const grant = { grant_type: 'client_credentials', client_id, client_secret, audience };
      const asks = [
        fetch(provider.access.certsUrl),
        fetch(tokenUrl, { method: 'POST', body: '{}' }),
        fetch(provider.url + '/oauth/token', { method: 'POST', body: new URLSearchParams(grant) }),
        fetch(provider.url + '/authorize', { headers: { accept: 'text/html' } }),
        fetch(provider.url + '/nowhere'),
      ];
      const seen = (await Promise.all(asks)).map((answer) => answer.status).join();
      await provider.close();
      if (seen !== '200,400,200,400,404') throw new Error(seen);`;
    const child = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      timeout: PATIENCE_MS,
    });
    expect({ out: String(child.stdout), err: String(child.stderr), status: child.status }).toEqual({
      out: '',
      err: '',
      status: 0,
    });
  });
});

describe('every request', () => {
  it('is listed with its method and path, without the query', async () => {
    const before = provider.requests().length;
    await fetch(`${provider.url}/authorize?code=secret`);
    await fetch(provider.access.tokenUrl, { method: 'POST' });
    expect(provider.requests().slice(before)).toEqual([
      { method: 'GET', path: '/authorize' },
      { method: 'POST', path: '/access/token' },
    ]);
  });

  it.each([
    ['evil.test', 403],
    ['dev-tenant.auth.test:8790', 200],
    ['localhost', 200],
  ])('for the host %s gets %d', async (host, status) => {
    const answered = new Promise<number | undefined>((resolve, reject) => {
      get(provider.auth0.jwksUrl, { headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on('error', reject);
    });
    expect(await answered).toBe(status);
  });

  it('with the wrong method is a 405 with the right one', async () => {
    const answer = await fetch(provider.access.tokenUrl);
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
  });
});

describe('a fault', () => {
  it.each([
    ['a plain status', { status: 503 }, 503, '', 'application/json'],
    ['an HTML page', { body: '<!doctype html>' }, 200, '<!doctype html>', 'text/html; charset=utf-8'],
    ['an empty answer', { body: '' }, 200, '', 'application/json'],
    ['5 MB', { body: 'x'.repeat(5_000_000) }, 200, 'x'.repeat(5_000_000), 'application/json'],
    ['a late error', { status: 500, delayMs: 1 }, 500, '', 'application/json'],
  ])('can be %s, for either key document', async (_name, fault, status, body, type) => {
    for (const url of [provider.access.certsUrl, provider.auth0.jwksUrl]) {
      provider.fail(new URL(url).pathname, fault);
      const answer = await fetch(url);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toBe(type);
      expect(await answer.text()).toBe(body);
      provider.fail(url, null);
      expect(await (await fetch(url)).json()).toHaveProperty('keys');
    }
  });

  it('that only delays still gives the right answer, and not before its time', async () => {
    provider.fail(provider.access.certsUrl, { delayMs: 60 });
    const asked = performance.now();
    expect(await (await fetch(provider.access.certsUrl)).json()).toHaveProperty('keys');
    expect(performance.now() - asked).toBeGreaterThanOrEqual(55);
    provider.fail(provider.access.certsUrl, null);
  });
});
