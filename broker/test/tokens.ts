import { env } from 'cloudflare:workers';
import type { Change } from '@agent-ticket/drizzle/control/change.ts';
import { openControl } from '@agent-ticket/drizzle/control/open-d1.ts';
import type { Role, Tier } from '@agent-ticket/shared/names.ts';
import { base64url } from 'jose';
import { digestSecret, makeSecret, makeTokenId } from '../src/credentials/secret.ts';
import { secret } from './canaries.ts';
import { SETTINGS } from './settings.ts';

/** Service tokens and grants, put into the database as an operator would. Times in ms. */

type Headers = Readonly<Record<string, string>>;

export interface TokenOptions {
  readonly clientId?: string;
  readonly tier?: Tier;
  readonly permissions?: readonly string[];
  readonly agents?: readonly string[];
  readonly expiresAt?: number;
  readonly revokedAt?: number;
  /** End of the secret's own grace time. */
  readonly secretExpiresAt?: number;
}

export interface ServiceToken {
  readonly id: string;
  readonly principal: string;
  readonly clientId: string;
  readonly secret: string;
  /** The three ways to present it. */
  readonly pair: Headers;
  readonly basic: Headers;
  readonly bearer: Headers;
}

const PEPPER = new Uint8Array(base64url.decode(SETTINGS.TOKEN_PEPPER));
const bytes = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

/** A token's name, and a secret that carries it. */
export const newTokenId = (): string => makeTokenId(bytes);
export const newSecret = (id = newTokenId()): string => secret(makeSecret(id, bytes));
export const digestOf = (text: string): Promise<string> => digestSecret(text, PEPPER);

export const pair = (clientId: string, clientSecret: string): Headers => ({
  'cf-access-client-id': clientId,
  'cf-access-client-secret': clientSecret,
});
/** Of the text as UTF-8. */
const base64 = (text: string): string => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
export const basic = (clientId: string, clientSecret: string): Headers => ({
  authorization: `Basic ${secret(base64(`${clientId}:${clientSecret}`))}`,
});
export const bearer = (text: string): Headers => ({ authorization: `Bearer ${text}` });

/** A token that nobody has put into the database yet. */
export function drawToken(clientId?: string): ServiceToken {
  const id = clientId ?? newTokenId();
  const text = newSecret(id);
  return {
    id,
    principal: `token:${id}`,
    clientId: id,
    secret: text,
    pair: pair(id, text),
    basic: basic(id, text),
    bearer: bearer(text),
  };
}

export async function insertToken(token: ServiceToken, options: TokenOptions = {}): Promise<void> {
  const createdAt = Date.now();
  await changed(
    openControl(env.CONTROL).serviceTokens.create(
      {
        id: token.id,
        name: 'made by a test',
        tier: options.tier ?? 'pro',
        agents: options.agents === undefined ? null : [...options.agents],
        permissions: [...(options.permissions ?? [])],
        createdBy: 'test',
        createdAt,
        expiresAt: options.expiresAt ?? null,
        revokedAt: options.revokedAt ?? null,
      },
      {
        tokenId: token.id,
        digest: await digestOf(token.secret),
        createdAt,
        expiresAt: options.secretExpiresAt ?? null,
      },
    ),
  );
}

export async function makeToken(options: TokenOptions = {}): Promise<ServiceToken> {
  const token = drawToken(options.clientId);
  await insertToken(token, options);
  return token;
}

interface GrantOptions {
  readonly agent?: string;
  readonly instance?: string;
  readonly role: Role;
  readonly expiresAt?: number;
}

export const grant = async (
  subject: string,
  { agent = 'counter', instance = '*', role, expiresAt }: GrantOptions,
): Promise<string> => {
  const id = crypto.randomUUID();
  const row = {
    id,
    subject,
    agentSlug: agent,
    instanceId: instance,
    role,
    reason: 'made by a test',
    createdBy: 'test',
    createdAt: Date.now(),
    expiresAt: expiresAt ?? null,
  };
  await changed({ statement: openControl(env.CONTROL).grants.insert(row) });
  return id;
};

/** A lock in force. Its target in the one spelling of the table: `agent:counter`, `everything:`. */
export async function lock(target: string, expiresAt?: number): Promise<string> {
  const id = crypto.randomUUID();
  const row = {
    id,
    target,
    kind: 'any',
    until: expiresAt ?? null,
    code: 'locked',
    reason: 'made by a test',
    createdBy: 'test',
    createdAt: Date.now(),
  } as const;
  await changed({ revocations: [row] });
  return id;
}

export const liftLock = (id: string) =>
  changed({ statement: openControl(env.CONTROL).revocations.lift(id, Date.now()) });

/** Makes a change whose event nobody delivers. */
async function changed(wanted: Omit<Change, 'event' | 'dueAt'>): Promise<void> {
  const control = openControl(env.CONTROL);
  const eventId = crypto.randomUUID();
  await control.change({
    ...wanted,
    event: { eventId, at: Date.now(), type: 'grant.created', outcome: 'success' },
    dueAt: Number.MAX_SAFE_INTEGER,
  });
  await control.outbox.done(eventId);
}
