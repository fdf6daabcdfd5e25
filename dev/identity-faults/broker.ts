import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { createApp } from '@agent-ticket/broker/src/app.ts';
import { readConfig } from '@agent-ticket/broker/src/config/config.ts';
import { compose } from '@agent-ticket/broker/src/runtime/compose.ts';
import { openControl, openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import { afterAll, onTestFinished } from 'vitest';
import * as z from 'zod';
import { brokerSettings, type IdentityProvider, startIdentityProvider } from '../identity-provider/start.ts';

/** 2027-01-15T08:00:00Z. */
export const NOW = 1_800_000_000;
const BROKER = 'https://broker.test';
const KEY = 'A'.repeat(43);

export type Platform = 'access' | 'auth0';
export const PLATFORMS: readonly Platform[] = ['access', 'auth0'];

/** A whole broker that trusts the stand-in, which it reaches over HTTP. */
export interface FaultyWorld {
  readonly identityProvider: IdentityProvider;
  /** Seconds since 1970, for both; starts at {@link NOW}. */
  readonly clock: { now: number };
  /** Where a platform has its keys. */
  keysUrl(platform: Platform): string;
  /** How often an address was asked for. */
  asked(url: string): number;
  /** A token of a person, as the stand-in's token endpoint makes it. */
  token(platform: Platform, wish?: object): Promise<string>;
  /** `GET /me` with a token where that platform's tokens travel. */
  me(platform: Platform, token: string): Promise<Response>;
}

/** One set of signing keys for a whole file: making them is most of a start. */
const stateDir = await mkdtemp(join(tmpdir(), 'agent-ticket-faults-keys-'));
afterAll(() => rm(stateDir, { recursive: true }));

export async function openFaultyWorld(settings: Readonly<Record<string, string>> = {}): Promise<FaultyWorld> {
  const clock = { now: NOW };
  const identityProvider = await startIdentityProvider({ port: 0, stateDir, now: () => clock.now * 1000 });
  onTestFinished(() => identityProvider.close());
  const { access, auth0 } = identityProvider;
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-faults-'));
  const control = await openControl(`file:${folder}/control.db`);
  const record = await openRecord(`file:${folder}/record.db`);
  onTestFinished(async () => {
    control.close();
    record.close();
    await rm(folder, { recursive: true });
  });
  const config = readConfig({
    ISSUER: BROKER,
    TICKET_AUDIENCE: 'agents.test',
    AGENT_WORKER_URL: 'https://agents.test',
    KEK: KEY,
    TOKEN_PEPPER: KEY,
    MODE: 'development',
    ...brokerSettings(identityProvider),
    ...settings,
  });
  const app = createApp(
    compose(config, {
      control: control.db,
      record: record.db,
      sendControl: () => Promise.reject(new TypeError('there is no agent worker')),
      ledger: { settle: async () => ({ admitted: true, rate: null }) },
      pingDatabases: async () => {},
      fetch: (url, init) => fetch(url, { ...init, redirect: 'manual' }),
      // Waiting turns the clock, so that no test does; what is under way on the network gets on.
      sleep: async (ms) => {
        clock.now += ms / 1000;
        await setImmediate();
      },
      clock: () => clock.now * 1000,
      randomId: () => crypto.randomUUID(),
      randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      addressOf: () => '192.0.2.1',
      later: () => {},
      log: () => {},
    }),
  );
  return {
    identityProvider,
    clock,
    keysUrl: (platform) => (platform === 'access' ? access.certsUrl : auth0.jwksUrl),
    asked: (url) => identityProvider.requests().filter(({ path }) => path === new URL(url).pathname).length,
    async token(platform, wish) {
      const usual = platform === 'access' ? { email: 'dev@example.com' } : { sub: 'auth0|dev' };
      const answer = await fetch(identityProvider[platform].tokenUrl, {
        method: 'POST',
        body: JSON.stringify({ ...usual, ...wish }),
      });
      return z.object({ token: z.string() }).parse(await answer.json()).token;
    },
    me: async (platform, token) =>
      app.request(`${BROKER}/me`, {
        headers:
          platform === 'access' ? { 'cf-access-jwt-assertion': token } : { authorization: `Bearer ${token}` },
      }),
  };
}
