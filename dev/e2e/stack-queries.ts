import { inject } from 'vitest';
import * as z from 'zod';
import type { StackQuery } from './query-server.ts';

async function ask<T>(query: StackQuery, shape: z.ZodType<T>): Promise<T> {
  const answer = await fetch(inject('testStack').queries, { method: 'POST', body: JSON.stringify(query) });
  return shape.parse(await answer.json());
}

/** Ids of all objects of an agent. */
export const objectsOf = (binding: 'COUNTER' | 'LOBBY'): Promise<string[]> =>
  ask({ about: 'objects', binding }, z.array(z.string()));

/** The id of the object of this name, which need not exist. */
export const objectId = (binding: 'COUNTER' | 'LOBBY', name: string): Promise<string> =>
  ask({ about: 'object id', binding, name }, z.string());

/** How many rows each table of both databases has. */
export async function rowCounts(): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const database of ['CONTROL', 'RECORD'] as const) {
    const ofSchema =
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*' ORDER BY name";
    const tables = await ask(
      { about: 'rows', database, sql: ofSchema, values: [] },
      z.array(z.object({ name: z.string() })),
    );
    const counted = tables.map(({ name }) => `(SELECT count(*) FROM "${name}") AS "${database}.${name}"`);
    const sql = `SELECT ${counted.join(', ')}`;
    const [row] = await ask(
      { about: 'rows', database, sql, values: [] },
      z.array(z.record(z.string(), z.int())),
    );
    Object.assign(counts, row);
  }
  return counts;
}

/** Restarts both workers. */
export const restartWorkers = (): Promise<string> => ask({ about: 'restart' }, z.literal('restarted'));

/** Runs the broker's cron trigger, which seals the audit log. */
export const runScheduled = (): Promise<string> => ask({ about: 'scheduled' }, z.literal('ok'));

/** A row of `agent_sessions`, every column of it. */
const SessionRow = z.strictObject({
  id: z.uuid(),
  user_id: z.string(),
  agent_slug: z.string(),
  instance_id: z.string(),
  role: z.string(),
  scope: z.string(),
  started_at: z.int(),
  ended_at: z.int().nullable(),
  end_reason: z.string().nullable(),
  ip_address: z.string().nullable(),
  user_agent: z.string().nullable(),
  jti: z.uuid(),
  kid: z.string(),
  rev: z.int(),
  grant_id: z.string().nullable(),
  login_id: z.string().nullable(),
  audience: z.string(),
});
export type SessionRow = z.infer<typeof SessionRow>;

/** A row of `audit_events`, every column of it. */
const EventRow = z.strictObject({
  seq: z.int(),
  event_id: z.uuid(),
  at: z.int(),
  type: z.string(),
  outcome: z.enum(['success', 'denied']),
  code: z.string().nullable(),
  user_id: z.string().nullable(),
  agent_slug: z.string().nullable(),
  instance_id: z.string().nullable(),
  jti: z.string().nullable(),
  session_id: z.string().nullable(),
  kid: z.string().nullable(),
  ip_address: z.string().nullable(),
  user_agent: z.string().nullable(),
  request_id: z.string().nullable(),
  policy_version: z.string().nullable(),
  details: z.string().nullable(),
});
export type EventRow = z.infer<typeof EventRow>;

/** Sessions of one instance, oldest first. */
export function sessionsOf(agent: string, instance: string): Promise<SessionRow[]> {
  const sql = 'SELECT * FROM agent_sessions WHERE agent_slug = ? AND instance_id = ? ORDER BY started_at, id';
  const values = [agent, instance];
  return ask({ about: 'rows', database: 'RECORD', sql, values }, z.array(SessionRow));
}

/** Audit events of one instance in the order of the record. */
export function eventsOf(agent: string, instance: string): Promise<EventRow[]> {
  const sql = 'SELECT * FROM audit_events WHERE agent_slug = ? AND instance_id = ? ORDER BY seq';
  const values = [agent, instance];
  return ask({ about: 'rows', database: 'RECORD', sql, values }, z.array(EventRow));
}

/** All audit events of a type. */
export function eventsOfType(type: string): Promise<EventRow[]> {
  const sql = 'SELECT * FROM audit_events WHERE type = ? ORDER BY seq';
  return ask({ about: 'rows', database: 'RECORD', sql, values: [type] }, z.array(EventRow));
}

const KeyRow = z.object({
  kid: z.string(),
  alg: z.string(),
  purpose: z.string(),
  sealed: z.string(),
});

/** Rows of the ticket keys, newest first. */
export function ticketKeys(): Promise<z.infer<typeof KeyRow>[]> {
  const sql = "SELECT * FROM signing_keys WHERE purpose = 'ticket' ORDER BY generation DESC";
  return ask({ about: 'rows', database: 'CONTROL', sql, values: [] }, z.array(KeyRow));
}
