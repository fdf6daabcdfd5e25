import { env } from 'cloudflare:workers';
import type { JWK } from 'jose';
import * as z from 'zod';
import { type CallInit, call, type Front, type Reply } from './call.ts';
import { drawToken, insertToken } from './tokens.ts';

/** The operator's side of the ticket keys. */

const State = z.enum(['pending', 'active', 'retiring', 'retired', 'revoked']);
const Time = z.iso.datetime();

const KeyList = z.strictObject({
  items: z.array(
    z.strictObject({
      kid: z.string(),
      alg: z.string(),
      state: State,
      created_at: Time,
      activates_at: Time,
      retires_at: Time.nullable(),
      removed_at: Time.nullable(),
      revoked_at: Time.nullable(),
    }),
  ),
  next_cursor: z.null(),
});

const Rotated = z.strictObject({
  kid: z.string(),
  alg: z.string(),
  state: State,
  activates_at: Time,
  previous: z.strictObject({ kid: z.string(), retires_at: Time, removed_at: Time }),
});

/** May read and rotate keys, and has no limit. */
export const operator = drawToken();

/** For the setup of each file: this module is evaluated once for all of them, and their databases begin empty. */
export const insertOperator = (): Promise<void> =>
  insertToken(operator, { tier: 'admin', permissions: ['keys:read', 'keys:rotate'] });

export const askToRotate = (front: Front, json: unknown = {}, init: CallInit = {}): Promise<Reply> =>
  call('/admin/keys/rotate', { method: 'POST', headers: operator.pair, json, front, ...init });

/** Rotates, and reads the answer of the contract. */
export async function rotate(front: Front, json: unknown = {}) {
  const reply = await askToRotate(front, json);
  if (reply.status !== 201) throw new Error(`no rotation but ${reply.status} ${reply.text}`);
  return Rotated.parse(JSON.parse(reply.text));
}

export async function listKeys(front: Front) {
  const reply = await call('/admin/keys', { headers: operator.pair, front });
  if (reply.status !== 200) throw new Error(`no list but ${reply.status} ${reply.text}`);
  return KeyList.parse(JSON.parse(reply.text)).items;
}

const KeySet = z.strictObject({ keys: z.array(z.record(z.string(), z.unknown())) });

/** The members of the published keys. */
export async function publishedJwks(front: Front): Promise<JWK[]> {
  const reply = await call('/.well-known/jwks.json', { front });
  return KeySet.parse(JSON.parse(reply.text)).keys;
}

export const publishedKids = async (front: Front): Promise<unknown[]> =>
  (await publishedJwks(front)).map(({ kid }) => kid);

export interface KeyRow {
  readonly kid: string;
  readonly purpose: string;
  readonly generation: number;
  readonly alg: string;
  readonly sealed: string;
  readonly created_at: number;
  readonly activates_at: number;
  readonly retires_at: number | null;
}

/** The rows of the database, newest first. */
export async function keyRows(): Promise<KeyRow[]> {
  const { results } = await env.CONTROL.prepare(
    'SELECT * FROM signing_keys ORDER BY generation DESC',
  ).all<KeyRow>();
  return results;
}

/** Writes a row as somebody would who may write to the database and nothing else. */
export const insertKeyRow = (row: Partial<KeyRow> & { kid: string; sealed: string }) =>
  env.CONTROL.prepare(
    `INSERT INTO signing_keys (kid, purpose, generation, alg, sealed, created_at, activates_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
  )
    .bind(
      row.kid,
      row.purpose ?? 'ticket',
      row.generation ?? 99,
      row.alg ?? 'ES256',
      row.sealed,
      row.created_at ?? Date.now(),
      row.activates_at ?? Date.now(),
    )
    .run();
