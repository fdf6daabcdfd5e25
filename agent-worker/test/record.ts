import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect } from 'vitest';

/** What the record database holds. */

export interface EventRow {
  type: string;
  outcome: string;
  code: string | null;
  session_id: string | null;
  jti: string | null;
  user_id: string | null;
  details: string | null;
}
interface SessionRow {
  id: string;
  user_id: string;
  role: string;
  scope: string;
  started_at: number;
  ended_at: number | null;
  end_reason: string | null;
  jti: string;
  kid: string;
}

export async function eventsOf(instance: string): Promise<EventRow[]> {
  const { results } = await env.RECORD.prepare(
    'SELECT type, outcome, code, session_id, jti, user_id, details FROM audit_events WHERE instance_id = ? ORDER BY seq',
  )
    .bind(instance)
    .all<EventRow>();
  return results;
}

export async function sessionsOf(instance: string): Promise<SessionRow[]> {
  const { results } = await env.RECORD.prepare(
    'SELECT id, user_id, role, scope, started_at, ended_at, end_reason, jti, kid FROM agent_sessions WHERE instance_id = ? ORDER BY started_at, id',
  )
    .bind(instance)
    .all<SessionRow>();
  return results;
}

/** Waits until an instance's events are exactly these types, in order. */
export const expectEvents = (instance: string, types: readonly string[]): Promise<EventRow[]> =>
  eventually(async () => {
    const events = await eventsOf(instance);
    expect(events.map(({ type }) => type)).toEqual(types);
    return events;
  });
