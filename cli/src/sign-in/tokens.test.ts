import { stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import {
  asAlice,
  BROKER,
  fileOf,
  isKept,
  kept,
  LOGIN,
  party,
  terminalOf,
  useStandIn,
} from '../../test/sign-in.ts';
import { type Terminal, UsageError } from '../command.ts';
import { NATIVE_CLIENT } from '../identity-provider/auth0-configuration.ts';
import { readPrivate, writePrivate } from '../open-files.ts';
import { run } from '../run.ts';
import { accessTokenOf } from './tokens.ts';

useStandIn();

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
    expect(at.said.err).toContain('Sign in again: agent-ticket login --profile default');
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

  it('is deleted when the issuer does not answer, with a warning that it goes on there', async () => {
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

  it('names an issuer that does not answer', async () => {
    const at = terminalOf(asAlice, {
      fetch: async () => {
        throw new TypeError('fetch failed');
      },
    });
    expect(await run(LOGIN(), at.terminal)).toBe(2);
    expect(at.said.err).toContain('does not answer');
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

  it('a person is known by the token that cloudflared keeps, and no profile has the token', async () => {
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
    ['is requested again when it expires soon', 30, 2],
  ])('the token %s', async (_what, expiresIn, times) => {
    const { runs, at } = cloudflared(expiresIn);
    const token = accessTokenOf(BROKER, at.terminal);
    await at.terminal.runCloudflared(['access', 'login', BROKER]);
    await token();
    await token();
    expect(runs.filter((each) => each.startsWith('access token'))).toHaveLength(times);
  });

  it('other output of cloudflared is not taken for a token', async () => {
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
