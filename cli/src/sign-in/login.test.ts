import { stat } from 'node:fs/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  asAlice,
  atIssuer,
  BROKER,
  fileOf,
  isKept,
  kept,
  LOGIN,
  party,
  terminalOf,
  throughIssuer,
  useStandIn,
  WORDS,
} from '../../test/sign-in.ts';
import { allOf } from '../command-tree.ts';
import { TenantBrowser } from '../identity-provider/relying-party.ts';
import { listPrivate, writePrivate } from '../open-files.ts';
import { openLoopback } from '../open-loopback.ts';
import { describeProgram, run } from '../run.ts';

useStandIn();

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

  it('stays at the broker of the profile, whatever the environment names', async () => {
    await run(LOGIN(), terminalOf(asAlice).terminal);
    const environment = { AGENT_TICKET_BROKER: 'https://other.example' };
    const at = terminalOf(asAlice, { environment });
    expect(await run(['login', '--profile', 'default'], at.terminal)).toBe(0);
    expect((await kept()).broker).toBe(BROKER);
    expect(at.asked.filter(({ url }) => url.hostname === 'other.example')).toEqual([]);
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
      const begun = await fetch(url, { redirect: 'manual' });
      const browser = new TenantBrowser(party.provider);
      const page = await browser.follow(begun.headers.get('location') ?? '');
      const { url: back } = await browser.follow(page.url, { account: '' });
      await fetch(back, { headers: { cookie: begun.headers.get('set-cookie') ?? '' } });
    });
    expect(await run(LOGIN(), at.terminal)).toBe(2);
    expect(at.said.err).toContain('refuses (access_denied');
    expect(await isKept()).toBe(false);
  });

  it('is told when the sign-in took too long', async () => {
    const at = terminalOf(async () => {}, { wait: async () => {} });
    expect(await run(LOGIN(), at.terminal)).toBe(2);
    expect(at.said.err).toContain('The sign-in took too long');
  });
});

describe('a page that does not belong to the sign-in', () => {
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
      const { back, headers } = await atIssuer(url);
      statuses.push((await fetch(new Request(other(back), { headers }))).status);
      statuses.push((await fetch(back, { headers })).status);
    });
    expect(await run(LOGIN(), at.terminal)).toBe(0);
    expect(statuses).toEqual([400, 200]);
  });

  it('and that has a name of its own for loopback is refused', async () => {
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

describe('another user of the machine, who sees the arguments of the process', () => {
  it('cannot make the person sign in with another code: the browser must be the one that began', async () => {
    const statuses: number[] = [];
    const at = terminalOf(async (url) => {
      const begun = await fetch(url, { redirect: 'manual' });
      const issuer = begun.headers.get('location') ?? '';
      // Everything is right in it, but for the person.
      const foreign = await throughIssuer(issuer, 'mallory');
      for (const cookie of ['', 'agent_ticket_login=x'])
        statuses.push((await fetch(foreign, { headers: { cookie } })).status);
      const own = await throughIssuer(issuer, 'alice');
      await fetch(own, { headers: { cookie: begun.headers.get('set-cookie')?.split(';')[0] ?? '' } });
    });
    expect(await run(LOGIN(), at.terminal)).toBe(0);
    expect(statuses).toEqual([400, 400]);
    expect(at.said.out).toContain('auth0|alice');
  });

  it('may begin the sign-in before the person, who then sees a warning', async () => {
    const at = terminalOf(async (url) => {
      const { headers } = await fetch(url, { redirect: 'manual' });
      const again = await fetch(url, { redirect: 'manual' });
      expect([again.status, again.headers.get('set-cookie'), again.headers.get('location')]).toEqual([
        409,
        null,
        null,
      ]);
      expect(await again.text()).toContain('began in another browser');
      // The same browser may go back.
      const cookie = headers.get('set-cookie')?.split(';')[0] ?? '';
      const own = await fetch(url, { redirect: 'manual', headers: { cookie } });
      await fetch(await throughIssuer(own.headers.get('location') ?? '', 'alice'), { headers: { cookie } });
    });
    expect(await run(LOGIN(), at.terminal)).toBe(0);
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
      let address = '';
      const { back, headers } = await atIssuer(url, 'alice', (target) => {
        address = target.href;
      });
      // The attacker's own sign-in, at the same application.
      const foreign = await throughIssuer(address, 'mallory', (target) =>
        target.searchParams.set('code_challenge', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'),
      );
      change(back, foreign);
      await fetch(back, { headers });
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
      'cannot be combined',
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
    expect(at.said.err).toContain('signing in cannot restore');
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

  it('that are not JWTs, as without an audience', async () => {
    const at = terminalOf(asAlice);
    expect(await run(WORDS(), at.terminal)).toBe(2);
    expect(at.said.err).toContain('--audience');
    expect(await isKept()).toBe(false);
  });
});

it('no command takes a secret as an argument, which every process of the machine could read', () => {
  const words = allOf(describeProgram()).flatMap(({ places, options }) =>
    [...places, ...options].map(({ flag }) => flag),
  );
  expect(
    words.filter((flag) => /secret\b(?!s-file)|password|[<-](access|refresh)-token|--token/.test(flag)),
  ).toEqual([]);
});
