import {
  evictDurableObject,
  listDurableObjectIds,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect } from 'vitest';
import { DEFAULT_SHARDS, type RecordEntry, type RecordResult } from '../src/mint/shard.ts';

/** What the record database holds. */
interface EventRow {
  readonly seq: number;
  readonly event_id: string;
  readonly at: number;
  readonly type: string;
  readonly outcome: string;
  readonly code: string | null;
  readonly user_id: string | null;
  readonly agent_slug: string | null;
  readonly instance_id: string | null;
  readonly jti: string | null;
  readonly session_id: string | null;
  readonly kid: string | null;
  readonly ip_address: string | null;
  readonly user_agent: string | null;
  readonly request_id: string | null;
  readonly policy_version: string | null;
  readonly details: string | null;
}

/** Events with this value in this column, in order of arrival. */
export async function eventsWith(
  column: 'user_id' | 'instance_id' | 'request_id' | 'jti' | 'ip_address' | 'type' | 'kid',
  value: string,
): Promise<EventRow[]> {
  const { results } = await env.RECORD.prepare(`SELECT * FROM audit_events WHERE ${column} = ? ORDER BY seq`)
    .bind(value)
    .all<EventRow>();
  return results;
}

/** Waits until a principal's events are exactly these types, in order. */
export const expectEvents = (principal: string, types: readonly string[]): Promise<EventRow[]> =>
  eventually(async () => {
    const events = await eventsWith('user_id', principal);
    expect(events.map(({ type }) => type)).toEqual(types);
    return events;
  });

const shardObjects = async (): Promise<DurableObjectStub[]> =>
  (await listDurableObjectIds(env.MINT_SHARD)).map((id) => env.MINT_SHARD.get(id));

/** Runs one query in every mint shard. */
export async function inShards(
  sql: string,
  ...values: (string | number)[]
): Promise<Record<string, SqlStorageValue>[]> {
  const rows = await Promise.all(
    (await shardObjects()).map((object) =>
      runInDurableObject(object, (_instance, state) => state.storage.sql.exec(sql, ...values).toArray()),
    ),
  );
  return rows.flat();
}

/** Waits until no mint shard has anything left to deliver. */
export const delivered = (): Promise<void> =>
  eventually(async () => expect(await inShards('SELECT id FROM ticket_backlog')).toEqual([]));

/** Rings the alarm of every mint shard that has set one; how many had. */
export async function ringAlarms(): Promise<number> {
  const rang = await Promise.all((await shardObjects()).map((object) => runDurableObjectAlarm(object)));
  return rang.filter(Boolean).length;
}

/** Rings the alarm of the mint shard of an account; whether it had set one. */
export async function ringAlarmOf(account: string, shards = DEFAULT_SHARDS): Promise<boolean> {
  return runDurableObjectAlarm(await shardOf(account, shards));
}

/** Counts and records in the mint shard of an account, without a request for a ticket. */
export const recordIn = async (account: string, entry: RecordEntry): Promise<RecordResult> =>
  (await shardOf(account)).write(entry);

/** The number of the mint shard of an account. */
export async function shardNumberOf(account: string, shards = DEFAULT_SHARDS): Promise<number> {
  const digest = new DataView(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(account)));
  return digest.getUint32(0) % shards;
}

const shardOf = async (account: string, shards?: number) =>
  env.MINT_SHARD.get(env.MINT_SHARD.idFromName(`mint:${await shardNumberOf(account, shards)}`));

/** When each mint shard wakes that has something to deliver. */
export async function alarmsOfWaiting(): Promise<(number | null)[]> {
  const alarms = await Promise.all(
    (await shardObjects()).map((object) =>
      runInDurableObject(object, async (_instance, state) =>
        state.storage.sql.exec('SELECT 1 FROM ticket_backlog').toArray().length === 0
          ? []
          : [await state.storage.getAlarm()],
      ),
    ),
  );
  return alarms.flat();
}

/** Takes every mint shard out of memory, as a deploy or a machine that dies does. */
export async function evictShards(): Promise<void> {
  await Promise.all((await shardObjects()).map((object) => evictDurableObject(object)));
}

/** Runs with the audit table out of reach, and brings it back. */
export async function withoutRecord<T>(run: () => Promise<T>): Promise<T> {
  await env.RECORD.prepare('ALTER TABLE audit_events RENAME TO audit_events_away').run();
  try {
    return await run();
  } finally {
    await env.RECORD.prepare('ALTER TABLE audit_events_away RENAME TO audit_events').run();
  }
}
