import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { createApp } from '@agent-ticket/broker/src/app.ts';
import { readConfig } from '@agent-ticket/broker/src/config/config.ts';
import { compose } from '@agent-ticket/broker/src/runtime/compose.ts';
import { openControl, openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import {
  brokerSettings,
  type IdentityProvider,
  startIdentityProvider,
} from 'agent-ticket/src/identity-provider/start.ts';
import { afterAll, onTestFinished } from 'vitest';
import * as z from 'zod';
import { AGENTS } from '../../agents.ts';

/** 2027-01-15T08:00:00Z. */
export const NOW = 1_800_000_000;
const BROKER = 'https://broker.test';
const KEY = 'A'.repeat(43);

export type Platform = 'access' | 'auth0';
export const PLATFORMS: readonly Platform[] = ['access', 'auth0'];

/** A whole broker in this process that trusts the stand-in, which it calls over HTTP. */
export interface FaultyBroker {
  readonly identityProvider: IdentityProvider;
  /** Seconds since 1970, for both; starts at {@link NOW}. */
  readonly clock: { now: number };
  /** URL of a platform's key set. */
  keysUrl(platform: Platform): string;
  /** The number of requests for a URL. */
  requestCount(url: string): number;
  /** A token of a person from the stand-in's token endpoint. */
  token(platform: Platform, fields?: object): Promise<string>;
  /** `GET /me` with a token in the header of that platform. */
  me(platform: Platform, token: string): Promise<Response>;
}

/** One set of signing keys for a whole file: their generation is most of a start. */
const stateDir = await mkdtemp(join(tmpdir(), 'agent-ticket-faults-keys-'));
afterAll(() => rm(stateDir, { recursive: true }));

export async function openBroker(settings: Readonly<Record<string, string>> = {}): Promise<FaultyBroker> {
  const clock = { now: NOW };
  const identityProvider = await startIdentityProvider({ port: 0, stateDir, now: () => clock.now * 1000 });
  onTestFinished(() => identityProvider.close());
  const { access, auth0 } = identityProvider;
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-faults-'));
  const control = await openControl(`file:${folder}/control.db`);
  const record = await openRecord(`file:${folder}/record.db`);
  onTestFinished(async () => {
    await control.close();
    await record.close();
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
    compose(config, AGENTS, {
      control: control.store,
      record: record.store,
      measure: () => {},
      post: async () => ({ fault: 'unreachable' }),
      sendControl: () => Promise.reject(new TypeError('there is no agent worker')),
      shard: {
        mint: () => Promise.reject(new Error('no test here asks for a ticket')),
        mintBatch: () => Promise.reject(new Error('no test here asks for tickets')),
        count: async (_account, { limit }) => ({
          admitted: true,
          rate: { limit, remaining: limit, resetAt: clock.now + 60 },
        }),
      },
      ping: { control: async () => {}, record: async () => {} },
      isByTls: () => true,
      fetch: (url, init) => fetch(url, { ...init, redirect: 'manual' }),
      // Advances the clock instead of waiting; pending network input is processed meanwhile.
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
    requestCount: (url) =>
      identityProvider.requests().filter(({ path }) => path === new URL(url).pathname).length,
    async token(platform, fields) {
      const usual = platform === 'access' ? { email: 'dev@example.com' } : { sub: 'auth0|dev' };
      const answer = await fetch(identityProvider[platform].tokenUrl, {
        method: 'POST',
        body: JSON.stringify({ ...usual, ...fields }),
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
