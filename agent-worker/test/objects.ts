import { listDurableObjectIds, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { sweepNow } from './sweep.ts';

/** The destination objects, seen from inside. */

/** Every object that was ever made, of any agent. Refusals must leave this as it was. */
export async function objectIds(): Promise<string[]> {
  const lists = [
    await listDurableObjectIds(env.COUNTER),
    await listDurableObjectIds(env.LOBBY),
    await listDurableObjectIds(env.WITNESS),
  ];
  return lists.flat().map(String).sort();
}

export const counter = (instance: string) => env.COUNTER.get(env.COUNTER.idFromName(instance));
export const witness = (instance: string) => env.WITNESS.get(env.WITNESS.idFromName(instance));

/** The messages that were delivered to the code of a witness. */
export const receivedBy = (instance: string) =>
  runInDurableObject(witness(instance), (agent) => [...agent.received]);

interface OwnSession {
  id: string;
  jti: string;
  ended_at: number | null;
  end_reason: string | null;
}

/** Session rows that an object holds. */
export const ownSessions = (stub: DurableObjectStub): Promise<OwnSession[]> =>
  runInDurableObject(stub, (_, state) =>
    state.storage.sql
      .exec<{ id: string; jti: string; ended_at: number | null; end_reason: string | null }>(
        'SELECT id, jti, ended_at, end_reason FROM ticket_sessions ORDER BY started_at, id',
      )
      .toArray(),
  );

/** Runs an object's sweep now, whatever its schedule says. */
export const sweep = (stub: DurableObjectStub): Promise<void> =>
  runInDurableObject(stub, (agent) => sweepNow(agent));
