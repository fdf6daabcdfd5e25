import { describe, expect, it } from 'vitest';
import { startBroker } from './broker.ts';
import { call, mint, preflight, type Reply, ticketOf } from './call.ts';
import { makeToken } from './tokens.ts';

describe('a page of another origin', () => {
  const LISTED = ['https://app.test', 'https://console.test'];
  const UNLISTED = [
    'null',
    'https://evil.test',
    'https://app.test.evil.test',
    'https://evil-app.test',
    'https://xapp.test',
    'https://app.tes',
    'https://app.test:443',
    'https://app.test:8443',
    'https://app.test/',
    'https://APP.test',
    'http://app.test',
    'https://app.test, https://evil.test',
    'https://app.test https://evil.test',
    'https://user@app.test',
    'https://broker.test',
    '*',
    'app.test',
  ];
  const sharing = ({ headers }: Reply) =>
    [...headers].filter(([name]) => name.startsWith('access-control-')).map(([name]) => name);

  it.each(LISTED)('from %s may ask, with credentials, and read the answer', async (origin) => {
    const asked = await preflight(origin);
    expect(asked.status).toBe(204);
    expect(asked.text).toBe('');
    expect(asked.headers.get('access-control-allow-origin')).toBe(origin);
    expect(asked.headers.get('access-control-allow-credentials')).toBe('true');
    expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
    expect(asked.headers.get('access-control-allow-headers')).toMatch(/authorization.*content-type/);
    expect(asked.headers.get('access-control-max-age')).toMatch(/^\d+$/);

    const answered = await mint({ ...(await makeToken()).pair, origin });
    ticketOf(answered);
    expect(answered.headers.get('access-control-allow-origin')).toBe(origin);
    expect(answered.headers.get('access-control-allow-credentials')).toBe('true');
    expect(answered.headers.get('access-control-expose-headers')).toMatch(/x-request-id.*retry-after/);
    expect(answered.headers.get('vary')).toMatch(/\bOrigin\b/);
  });

  it('from a listed origin may read refusals as well', async () => {
    const origin = 'https://app.test';
    const replies = [
      await call('/tickets', { headers: { origin } }),
      await call('/nowhere', { headers: { origin } }),
      await mint({ origin }),
    ];
    expect(replies.map(({ status }) => status)).toEqual([405, 404, 401]);
    expect(replies.map(({ headers }) => headers.get('access-control-allow-origin'))).toEqual([
      origin,
      origin,
      origin,
    ]);
  });

  it.each(UNLISTED)('from %s gets no permission, in a preflight or in an answer', async (origin) => {
    const token = await makeToken();
    for (const reply of [
      await preflight(origin),
      await mint({ ...token.pair, origin }),
      await call('/.well-known/jwks.json', { headers: { origin } }),
      await call('/nowhere', { headers: { origin } }),
    ]) {
      expect(sharing(reply)).toEqual([]);
      expect([...reply.headers.values()].filter((value) => value.includes('evil'))).toEqual([]);
      expect(reply.headers.get('vary')).toMatch(/\bOrigin\b/);
    }
  });

  it('that names no origin gets no permission, and caches learn that it depends on the origin', async () => {
    const reply = await call('/healthz');
    expect(sharing(reply)).toEqual([]);
    expect(reply.headers.get('vary')).toMatch(/\bOrigin\b/);
  });

  it('finds nothing of what it asked for in a preflight', async () => {
    const reply = await call('/tickets', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.test',
        'access-control-request-method': 'CANARY',
        'access-control-request-headers': 'x-canary',
      },
    });
    expect(JSON.stringify([...reply.headers]).toLowerCase()).not.toContain('canary');
  });

  it('finds no origin listed where none is', async () => {
    const { front } = startBroker({ settings: { ALLOWED_ORIGINS: '' } });
    for (const origin of ['', 'null', 'https://app.test']) {
      expect(sharing(await preflight(origin, '/tickets', { front }))).toEqual([]);
    }
  });

  it('costs no look at its credential in a preflight', async () => {
    const reply = await call('/admin/keys', {
      method: 'OPTIONS',
      headers: { origin: 'https://app.test', authorization: 'nonsense' },
    });
    expect(reply.status).toBe(204);
  });
});
