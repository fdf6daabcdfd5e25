import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { terminalWith } from '../../test/terminal.ts';
import { type Terminal, UsageError } from '../command.ts';
import { allOf } from '../command-tree.ts';
import { NATIVE_CLIENT } from '../identity-provider/auth0-configuration.ts';
import { type RelyingParty, startRelyingParty, TenantBrowser } from '../identity-provider/relying-party.ts';
import { deletePrivate, listPrivate, lockPrivate, readPrivate, writePrivate } from '../open-files.ts';
import { openLoopback } from '../open-loopback.ts';
import { describeProgram, run } from '../run.ts';
import { accessTokenOf } from './tokens.ts';

const BROKER = 'https://broker.test';

let party: RelyingParty;
beforeAll(async () => {
  party = await startRelyingParty();
  return () => party.close();
});

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'agent-ticket-sign-in-'));
  vi.stubEnv('XDG_CONFIG_HOME', home);
  onTestFinished(async () => {
    vi.unstubAllEnvs();
    await rm(home, { recursive: true });
  });
});

const fileOf = (name = 'default') => join(home, 'agent-ticket', `${name}.json`);
const kept = async (name?: string) => JSON.parse(await readFile(fileOf(name), 'utf8'));
const isKept = () =>
  readFile(fileOf()).then(
    () => true,
    () => false,
  );

/** The broker's answer to `GET /me`: it verifies the credential by the keys of the issuer that it names. */
async function broker(request: Request): Promise<Response> {
  const { auth0, access } = party.provider;
  const bearer = /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1];
  const [token, issuer, audience, keys] =
    bearer === undefined
      ? [
          request.headers.get('cf-access-jwt-assertion') ?? '',
          access.issuer,
          access.audience,
          access.certsUrl,
        ]
      : [bearer, auth0.issuer, auth0.audience, auth0.jwksUrl];
  try {
    const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(keys)), { issuer, audience });
    return Response.json({
      principal: `test:${payload.sub}`,
      ...(payload.email ? { email: payload.email } : {}),
    });
  } catch {
    const error = { code: 'UNAUTHORIZED', message: 'no', request_id: crypto.randomUUID() };
    return Response.json({ error }, { status: 401 });
  }
}

interface Asked {
  readonly url: URL;
  readonly headers: Headers;
}

/** A terminal with real files, loopback and network; what it asked; `sign in` is what the person does in the browser. */
function terminalOf(
  signIn: (url: string) => Promise<unknown>,
  given: Partial<Terminal> = {},
  watch: (text: string) => void = () => {},
) {
  const asked: Asked[] = [];
  let done: Promise<unknown> = Promise.resolve();
  const { terminal: silent, said } = terminalWith({
    ...{ readPrivate, writePrivate, listPrivate, deletePrivate, lockPrivate, openLoopback },
    now: () => Date.now(),
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    // Only the end of the sign-in ends it: nobody waits for the time that a person may take.
    wait: (_ms, until) => new Promise((resolve) => until?.addEventListener('abort', () => resolve())),
    openBrowser: (url) => {
      done = signIn(url);
    },
    fetch: async (input, init) => {
      const request = new Request(input, init);
      asked.push({ url: new URL(request.url), headers: request.headers });
      if (request.url.startsWith(`${BROKER}/`)) return broker(request);
      return fetch(request, { redirect: 'manual' });
    },
    ...given,
  });
  const err = (text: string): void => {
    silent.err(text);
    watch(text);
  };
  return { terminal: { ...silent, err }, said, asked, browser: () => done };
}

const WORDS = () => [
  ...['login', '--broker', BROKER, '--client-id', NATIVE_CLIENT.client_id],
  ...['--issuer', party.provider.auth0.issuer, '--issuer-url', party.provider.url],
];
const LOGIN = () => [...WORDS(), '--audience', party.provider.auth0.audience];

/** Signs a person in at the issuer. Answers the address to which the browser is sent then. */
async function atIssuer(url: string, hint = 'alice'): Promise<URL> {
  const target = new URL(url);
  target.searchParams.set('login_hint', hint);
  return (await new TenantBrowser(party.provider).follow(target)).url;
}
const asAlice = async (url: string) => (await fetch(await atIssuer(url))).text();

describe('a person who signs in by the browser', () => {
  it('is known to the broker, and the tokens are in a file for the owner alone', async () => {
    const at = terminalOf(asAlice);
    expect(await run(LOGIN(), at.terminal)).toBe(0);
    expect(at.said.out).toBe('Signed in as test:auth0|alice.\n');
    expect((await stat(fileOf())).mode & 0o777).toBe(0o600);
    const { broker: address, sign_in: signIn } = await kept();
    expect(address).toBe(BROKER);
    for (const secret of [signIn.access_token, signIn.refresh_token])
      expect(at.said.out + at.said.err).not.toContain(secret);
    expect(await at.browser()).toContain('Go back to the terminal');
  });

  it('uses the profile without signing in again, and needs only its name to sign in anew', async () => {
    await run([...LOGIN(), '--profile', 'staging'], terminalOf(asAlice).terminal);
    const at = terminalOf(async () => expect.fail('a browser was opened'));
    expect(await run(['me', '--profile', 'staging'], at.terminal)).toBe(0);
    expect(await run(['login', '--profile', 'staging'], terminalOf(asAlice).terminal)).toBe(0);
    expect(await listPrivate()).toEqual(['staging.json']);
  });

  it('gets only an address where there is no browser', async () => {
    const at = terminalOf(
      async () => expect.fail('a browser was opened'),
      {},
      (text) => {
        const [url] = /http:\S+/.exec(text) ?? [];
        if (url !== undefined) void asAlice(url);
      },
    );
    expect(await run([...LOGIN(), '--no-browser'], at.terminal)).toBe(0);
  });

  it('may cancel', async () => {
    const at = terminalOf(async (url) => {
      const browser = new TenantBrowser(party.provider);
      const page = await browser.follow(url);
      const { url: back } = await browser.follow(page.url, { account: '' });
      await fetch(back);
    });
    expect(await run(LOGIN(), at.terminal)).toBe(2);
    expect(at.said.err).toContain('refuses (access_denied');
    expect(await isKept()).toBe(false);
  });

  it('is told where nobody signed in', async () => {
    const at = terminalOf(async () => {}, { wait: async () => {} });
    expect(await run(LOGIN(), at.terminal)).toBe(2);
    expect(at.said.err).toContain('Nobody signed in');
  });
});

describe('a page that is no answer to the sign-in', () => {
  const otherPages: readonly (readonly [string, (back: URL) => Request])[] = [
    ['has no state', (back) => new Request(new URL('/callback?code=x', back))],
    ['has the state of another sign-in', (back) => new Request(new URL('/callback?code=x&state=y', back))],
    ['has two states', (back) => new Request(`${back.href}&state=y`)],
    ['is at another path', (back) => new Request(`${back.origin}/${back.search}`)],
    ['is sent by a form', (back) => new Request(back, { method: 'POST', body: 'a=b' })],
    ['has an error of somebody else', (back) => new Request(new URL('/callback?error=access_denied', back))],
  ];

  it.each(otherPages)('and %s neither counts nor ends it', async (_what, other) => {
    const statuses: number[] = [];
    const at = terminalOf(async (url) => {
      const back = await atIssuer(url);
      statuses.push((await fetch(other(back))).status);
      statuses.push((await fetch(back)).status);
    });
    expect(await run(LOGIN(), at.terminal)).toBe(0);
    expect(statuses).toEqual([400, 200]);
  });

  it('and comes by a name of its own for loopback is refused', async () => {
    const seen: string[] = [];
    const loopback = await openLoopback(0, ({ href }) => {
      seen.push(href);
      return { status: 200, text: 'ok' };
    });
    onTestFinished(() => loopback.close());
    const answer = await fetch(`http://localhost:${loopback.port}/callback`).catch(() => undefined);
    expect(answer?.status ?? 400).toBe(400);
    expect(seen).toEqual([]);
  });
});

describe('an answer that was made by an attacker', () => {
  const injected: readonly (readonly [string, (own: URL, foreign: URL) => void, string])[] = [
    [
      'with a code of another sign-in is refused, since it has another verifier (RFC 7636)',
      (own, foreign) => own.searchParams.set('code', foreign.searchParams.get('code') ?? ''),
      'invalid_grant',
    ],
    [
      'of another issuer is refused (RFC 9207)',
      (own) => own.searchParams.set('iss', 'https://attacker.example/'),
      'issuer that was asked',
    ],
    [
      'without the issuer, which this one always names, is refused',
      (own) => own.searchParams.delete('iss'),
      'issuer that was asked',
    ],
    ['with two codes is refused', (own) => own.searchParams.append('code', 'x'), 'issuer that was asked'],
  ];

  it.each(injected)('%s', async (_what, change, said) => {
    const at = terminalOf(async (url) => {
      const own = await atIssuer(url);
      // The attacker's own sign-in, at the same application.
      const other = new URL(url);
      other.searchParams.set('code_challenge', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM');
      change(own, await atIssuer(other.href, 'mallory'));
      await fetch(own);
    });
    expect(await run(LOGIN(), at.terminal)).toBe(2);
    expect(at.said.err).toContain(said);
    expect(await isKept()).toBe(false);
    expect(at.asked.filter(({ url }) => url.origin === BROKER)).toEqual([]);
  });

  it('with the metadata of another issuer ends the sign-in before anything is sent', async () => {
    const at = terminalOf(asAlice, {
      fetch: async () => Response.json({ issuer: 'https://attacker.example/', token_endpoint: 'https://x' }),
    });
    expect(await run(LOGIN(), at.terminal)).toBe(2);
    expect(at.said.err).toContain('issuer that was asked');
  });
});

describe('a sign-in is not begun', () => {
  it.each([
    ['without an issuer', ['login', '--broker', BROKER], '--issuer and --client-id'],
    ['without a broker', ['login', '--issuer', 'https://a.example', '--client-id', 'x'], '--broker'],
    [
      'at an issuer without TLS',
      ['login', '--broker', BROKER, '--issuer', 'http://a.example', '--client-id', 'x'],
      'https',
    ],
    [
      'for a broker without TLS',
      ['login', '--broker', 'http://b.example', '--issuer', 'https://a.example', '--client-id', 'x'],
      'https',
    ],
    [
      'at an address of development that is elsewhere',
      [
        'login',
        '--broker',
        BROKER,
        '--issuer',
        'https://a.example',
        '--client-id',
        'x',
        '--issuer-url',
        'https://b.example',
      ],
      'loopback',
    ],
    [
      'by Access and an issuer',
      ['login', '--broker', BROKER, '--access', '--issuer', 'https://a.example'],
      'neither',
    ],
  ])('%s', async (_what, words, said) => {
    const at = terminalOf(asAlice);
    expect(await run(words, at.terminal)).toBe(2);
    expect(at.said.err).toContain(said);
    expect(at.asked).toEqual([]);
  });

  it('over a profile with a service token, which would be lost', async () => {
    await writePrivate(
      'default.json',
      JSON.stringify({ broker: BROKER, client_id: 'svc_1', client_secret: 'atk_1' }),
    );
    const at = terminalOf(asAlice);
    expect(await run(LOGIN(), at.terminal)).toBe(2);
    expect(at.said.err).toContain('no sign-in gives back');
  });
});

describe('tokens are not kept', () => {
  it('that the broker refuses', async () => {
    const at = terminalOf(asAlice, {
      fetch: async (input, init) => {
        const request = new Request(input, init);
        const headers = new Headers({ 'content-type': 'application/json' });
        const error = { code: 'UNAUTHORIZED', message: 'no', request_id: 'r' };
        return request.url.startsWith(BROKER)
          ? new Response(JSON.stringify({ error }), { status: 401, headers })
          : fetch(request);
      },
    });
    expect(await run(LOGIN(), at.terminal)).toBe(2);
    expect(at.said.err).toContain('the broker refuses the token');
    expect(await isKept()).toBe(false);
  });

  it('that are no JWT, as without an audience', async () => {
    const at = terminalOf(asAlice);
    expect(await run(WORDS(), at.terminal)).toBe(2);
    expect(at.said.err).toContain('--audience');
    expect(await isKept()).toBe(false);
  });
});

it('no command takes a secret as a word, which every process of the machine could read', () => {
  const words = allOf(describeProgram()).flatMap(({ places, options }) =>
    [...places, ...options].map(({ flag }) => flag),
  );
  expect(
    words.filter((flag) => /secret\b(?!s-file)|password|[<-](access|refresh)-token|--token/.test(flag)),
  ).toEqual([]);
});

describe('a sign-in', () => {
  const requests = () => party.provider.requests().filter(({ path }) => path === '/oauth/token').length;
  const LATER_MS = 3_590_000;
  const later = (at: ReturnType<typeof terminalOf>, ms = LATER_MS): Terminal => ({
    ...at.terminal,
    now: () => Date.now() + ms,
  });
  const signedIn = async () => {
    const at = terminalOf(asAlice);
    await run(LOGIN(), at.terminal);
    return at;
  };

  it('is renewed before its token ends, once for all processes', async () => {
    const at = await signedIn();
    const before = await kept();
    const count = requests();
    expect(await Promise.all([1, 2, 3].map(() => run(['me'], later(at))))).toEqual([0, 0, 0]);
    expect(requests() - count).toBe(1);
    const after = await kept();
    expect(after.sign_in.access_token).not.toBe(before.sign_in.access_token);
    expect((await stat(fileOf())).mode & 0o777).toBe(0o600);
    expect(await readPrivate('default.json.lock')).toBeUndefined();
  });

  it('that the issuer has ended says how to sign in again', async () => {
    const at = await signedIn();
    const { sign_in: signIn } = await kept();
    await fetch(`${party.provider.url}/oauth/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ token: signIn.refresh_token, client_id: NATIVE_CLIENT.client_id }),
    });
    expect(await run(['me'], later(at))).toBe(2);
    expect(at.said.err).toContain('Sign in again: agent-ticket login');
    expect(at.said.err).not.toContain(signIn.refresh_token);
  });

  it('that cannot be renewed says how to sign in again', async () => {
    const at = await signedIn();
    const { sign_in: signIn, ...rest } = await kept();
    const { refresh_token: _, ...others } = signIn;
    await writePrivate('default.json', JSON.stringify({ ...rest, sign_in: others }));
    expect(await run(['me'], later(at))).toBe(2);
    expect(at.said.err).toContain('agent-ticket login --profile default');
  });

  it('ends with a logout, at the issuer, too', async () => {
    const at = await signedIn();
    const { sign_in: signIn } = await kept();
    expect(await run(['logout'], at.terminal)).toBe(0);
    expect(await isKept()).toBe(false);
    await expect(
      party.redeem({ grant_type: 'refresh_token', refresh_token: signIn.refresh_token }),
    ).rejects.toThrow();
    expect(await run(['me'], at.terminal)).toBe(2);
  });

  it('ends here where the issuer is away, and says that it goes on there', async () => {
    const at = await signedIn();
    const away: Terminal = {
      ...at.terminal,
      fetch: async () => {
        throw new TypeError('fetch failed');
      },
    };
    expect(await run(['logout'], away)).toBe(1);
    expect(await isKept()).toBe(false);
    expect(at.said.err).toContain('was not ended there');
  });

  it('is not asked of an issuer that does not answer', async () => {
    const at = terminalOf(asAlice, {
      fetch: async () => {
        throw new TypeError('fetch failed');
      },
    });
    expect(await run(LOGIN(), at.terminal)).toBe(2);
    expect(at.said.err).toContain('does not answer');
  });
});

describe('by a device code', () => {
  /** An issuer that may be asked more often than each five seconds. */
  const impatient: Terminal['fetch'] = async (input, init) => {
    const request = new Request(input, init);
    if (request.url.startsWith(`${BROKER}/`)) return broker(request);
    const answer = await fetch(request);
    if (!request.url.endsWith('/oauth/device/code')) return answer;
    return Response.json({ ...Object(await answer.json()), interval: 0.05 });
  };

  /** What a person does on another device: opens the page, types the code, signs in and decides. */
  async function confirm(text: string, decision: Record<string, string>): Promise<void> {
    const [, url = '', code = ''] = /open (\S+) and type the code (\S+),/.exec(text) ?? [];
    const browser = new TenantBrowser(party.provider);
    const typed = await (await browser.request(url)).text();
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(typed)?.[1] ?? '';
    const asks = await (await browser.request(url, { xsrf, user_code: code })).text();
    expect(asks).toContain(code);
    const next = await browser.request(url, { xsrf, user_code: code, ...decision });
    const location = next.headers.get('location');
    if (location === null) return;
    const page = await browser.follow(new URL(location, url));
    await browser.follow(page.url, { account: 'auth0|alice' });
  }

  const terminalThat = (decision: Record<string, string>) =>
    terminalOf(
      async () => expect.fail('a browser was opened'),
      { fetch: impatient },
      (text) => {
        if (text.includes('type the code')) void confirm(text, decision);
      },
    );

  it('a person signs in, on any other device', async () => {
    const at = terminalThat({ confirm: 'yes' });
    expect(await run([...LOGIN(), '--device'], at.terminal)).toBe(0);
    expect(at.said.out).toBe('Signed in as test:auth0|alice.\n');
  });

  it('a person may cancel', async () => {
    const at = terminalThat({ abort: 'yes' });
    expect(await run([...LOGIN(), '--device'], at.terminal)).toBe(2);
    expect(at.said.err).toContain('access_denied');
  });

  it('nobody signs in at an issuer that has none', async () => {
    const at = terminalOf(asAlice, {
      fetch: async (input, init) => {
        const answer = await fetch(new Request(input, init));
        const { device_authorization_endpoint: _, ...rest } = Object(await answer.json());
        return Response.json(rest);
      },
    });
    expect(await run([...LOGIN(), '--device'], at.terminal)).toBe(2);
    expect(at.said.err).toContain('has no device flow');
  });
});

describe('through Cloudflare Access', () => {
  /** cloudflared as it is documented: `access login` signs in, `access token` prints the token of an application. */
  function cloudflared(expiresIn = 3600) {
    const runs: string[] = [];
    let isSignedIn = false;
    const runCloudflared = async (words: readonly string[]): Promise<string> => {
      runs.push(words.join(' '));
      if (words[1] === 'login') isSignedIn = true;
      if (!isSignedIn) throw new UsageError('cloudflared ended with 1.');
      const answer = await fetch(party.provider.access.tokenUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: 'ann@example.com', expiresIn }),
      });
      return `${Object(await answer.json()).token}\n`;
    };
    return { runs, at: terminalOf(asAlice, { runCloudflared }) };
  }
  const WORDS_OF_ACCESS = ['login', '--broker', BROKER, '--access'];

  it('a person is known by the token that cloudflared keeps, and no file of ours has it', async () => {
    const { runs, at } = cloudflared();
    expect(await run(WORDS_OF_ACCESS, at.terminal)).toBe(0);
    expect(at.said.out).toBe('Signed in as ann@example.com.\n');
    expect(await kept()).toEqual({ broker: BROKER, access: 'cloudflared' });
    expect(runs).toEqual([`access login ${BROKER}`, `access token --app=${BROKER}`]);
    const [{ headers } = { headers: new Headers() }] = at.asked;
    expect(headers.get('cf-access-token')).toBe(headers.get('cf-access-jwt-assertion'));
    expect(headers.has('authorization')).toBe(false);
  });

  it.each([
    ['is asked for once where it lasts', 3600, 1],
    ['is asked for anew when its end is near', 30, 2],
  ])('the token %s', async (_what, expiresIn, times) => {
    const { runs, at } = cloudflared(expiresIn);
    const token = accessTokenOf(BROKER, at.terminal);
    await at.terminal.runCloudflared(['access', 'login', BROKER]);
    await token();
    await token();
    expect(runs.filter((each) => each.startsWith('access token'))).toHaveLength(times);
  });

  it('what cloudflared prints besides a token is none', async () => {
    const at = terminalOf(asAlice, { runCloudflared: async () => 'Unable to find token' });
    expect(await run(WORDS_OF_ACCESS, at.terminal)).toBe(2);
    expect(at.said.err).toContain('cloudflared has no token');
  });
});

describe('profiles list', () => {
  it('names brokers and kinds of credentials, and no secret', async () => {
    await run([...LOGIN(), '--profile', 'a'], terminalOf(asAlice).terminal);
    await writePrivate(
      'b.json',
      JSON.stringify({ broker: BROKER, client_id: 'svc_1', client_secret: 'atk_1' }),
    );
    const at = terminalOf(asAlice);
    expect(await run(['profiles', 'list', '--json'], at.terminal)).toBe(0);
    expect(
      at.said.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { profile: 'a', broker: BROKER, credential: 'sign-in', issuer: party.provider.auth0.issuer },
      { profile: 'b', broker: BROKER, credential: 'svc_1' },
    ]);
  });
});
