import { env } from 'cloudflare:workers';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { beforeEach } from 'vitest';
import { exportAudit } from '../src/audit/export.ts';
import { sealAudit } from '../src/audit/sealer.ts';
import { startBroker } from './broker.ts';
import { call, requestTo } from './call.ts';
import { NOW } from './clock.ts';
import { outbound } from './outbound.ts';
import { delivered } from './record.ts';

export const MINUTE = 60_000;
export const START = NOW * 1000;

/** Leaves nothing in the audit log, and nothing on the way to it. */
export async function emptyAuditLog(): Promise<void> {
  await delivered();
  await env.CONTROL.batch(
    ['outbox', 'audit_seal'].map((table) => env.CONTROL.prepare(`DELETE FROM ${table}`)),
  );
  await env.RECORD.batch(
    ['audit_events', 'audit_checkpoints', 'audit_segments'].map((table) =>
      env.RECORD.prepare(`DELETE FROM ${table}`),
    ),
  );
}

export async function writeEvents(count: number, other: Partial<AuditEvent> = {}): Promise<void> {
  const facts = Array.from(
    { length: count },
    () =>
      ({
        event: {
          eventId: crypto.randomUUID(),
          at: Date.now(),
          type: 'ticket.issued',
          outcome: 'success',
          ...other,
        },
      }) as const,
  );
  const record = openRecord(env.RECORD);
  for (let from = 0; from < count; from += 100)
    await record.deliver(facts.slice(from, from + 100), Date.now());
}

export const exportText = (ports: Parameters<typeof exportAudit>[0], after = 0): Promise<string> =>
  new Response(exportAudit(ports, after)).text();

export const readAudit = (path: string, headers: Readonly<Record<string, string>>) =>
  requestTo(`/admin/agents/audit${path}`, { headers });

/** Each test of a file begins with an empty log. */
export function beginEmpty(): void {
  beforeEach(async () => {
    // Each minute the agent worker is asked to compare its sessions; here it has none.
    outbound.serve('https://agents.test/control', () =>
      Response.json({ closed: 0, objects: 0, unreachable: 0, pending: 0, ms: 0 }),
    );
    // Its first key, whose making is an event, is there before the log is emptied.
    await startBroker().ports.auditKeyring.signer(START);
    await emptyAuditLog();
  });
}

/** Three runs: events 1 to 5, a quiet minute, events 6 to 8; event 9 is not sealed yet. */
export async function sealedLog() {
  const broker = startBroker();
  await writeEvents(5);
  await sealAudit(broker.ports, START);
  await sealAudit(broker.ports, START + MINUTE);
  await writeEvents(3);
  await sealAudit(broker.ports, START + 2 * MINUTE);
  await writeEvents(1);
  return { broker, lines: (await exportText(broker.ports)).trim().split('\n') };
}

/** The published audit keys. */
export const auditKeys = async (front: Parameters<typeof call>[1]) => {
  const { text } = await call('/.well-known/audit-jwks.json', front);
  const keys = await readKeySet(new TextEncoder().encode(text), ['ES256', 'Ed25519']);
  return keys ?? new Map();
};

/** A verification has nothing to say against content, order and completeness. */
export const SOUND = { content: [], order: [], gaps: [] };

export const isCheckpoint = (n: number) => (line: string) => line.startsWith(`{"checkpoint":{"n":${n},`);
