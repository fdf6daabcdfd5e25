import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { beforeAll, beforeEach, onTestFinished, vi } from 'vitest';
import type { Terminal } from '../src/command.ts';
import { NATIVE_CLIENT } from '../src/identity-provider/auth0-configuration.ts';
import {
  type RelyingParty,
  startRelyingParty,
  TenantBrowser,
} from '../src/identity-provider/relying-party.ts';
import { deletePrivate, listPrivate, lockPrivate, readPrivate, writePrivate } from '../src/open-files.ts';
import { openLoopback } from '../src/open-loopback.ts';
import { terminalWith } from './terminal.ts';

/** People who sign in by the command line at the stand-in, with real files and a real loopback. */

export const BROKER = 'https://broker.test';

export let party: RelyingParty;
let home: string;

/** For each test a configuration folder of its own; for all of a file one stand-in. */
export function useStandIn(): void {
  beforeAll(async () => {
    party = await startRelyingParty();
    return () => party.close();
  });
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'agent-ticket-sign-in-'));
    vi.stubEnv('XDG_CONFIG_HOME', home);
    onTestFinished(async () => {
      vi.unstubAllEnvs();
      await rm(home, { recursive: true });
    });
  });
}

export const fileOf = (name = 'default') => join(home, 'agent-ticket', `${name}.json`);
export const kept = async (name?: string) => JSON.parse(await readFile(fileOf(name), 'utf8'));
export const isKept = () =>
  readFile(fileOf()).then(
    () => true,
    () => false,
  );

/** The broker's answer to `GET /me`: it verifies the credential by the keys of the issuer that it names. */
export async function broker(request: Request): Promise<Response> {
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
export function terminalOf(
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

export const WORDS = () => [
  ...['login', '--broker', BROKER, '--client-id', NATIVE_CLIENT.client_id],
  ...['--issuer', party.provider.auth0.issuer, '--issuer-url', party.provider.url],
];
export const LOGIN = () => [...WORDS(), '--audience', party.provider.auth0.audience];

interface Answer {
  /** To which the browser is sent from the issuer. */
  readonly back: URL;
  /** Of the browser that began. */
  readonly headers: { readonly cookie: string };
}

/** Begins at an address of the terminal, and signs a person in at the issuer. `change`: the address there. */
export async function atIssuer(
  address: string,
  hint = 'alice',
  change: (target: URL) => void = () => {},
): Promise<Answer> {
  const begun = await fetch(address, { redirect: 'manual' });
  const cookie = begun.headers.get('set-cookie')?.split(';')[0] ?? '';
  return {
    back: await throughIssuer(begun.headers.get('location') ?? '', hint, change),
    headers: { cookie },
  };
}

/** The same from an address of the issuer on. */
export async function throughIssuer(
  address: string,
  hint: string,
  change: (target: URL) => void = () => {},
): Promise<URL> {
  const target = new URL(address);
  target.searchParams.set('login_hint', hint);
  change(target);
  return (await new TenantBrowser(party.provider).follow(target)).url;
}

export async function asAlice(address: string): Promise<string> {
  const { back, headers } = await atIssuer(address);
  return (await fetch(back, { headers })).text();
}
