import { env } from 'cloudflare:workers';
import { deliver } from '@agent-ticket/drizzle/record/deliver.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { type ExportPorts, exportAudit } from '../src/audit/export.ts';
import { requestTo } from './call.ts';
import { delivered } from './record.ts';

/** The audit log as a test wants to find it. */
export const auditRoom = {
  /** Nothing in it, and nothing on the way to it. */
  async empty(): Promise<void> {
    await delivered();
    await env.RECORD.batch(
      ['audit_events', 'audit_checkpoints'].map((table) => env.RECORD.prepare(`DELETE FROM ${table}`)),
    );
  },

  async write(count: number, about: Partial<AuditEvent> = {}): Promise<void> {
    const facts = Array.from(
      { length: count },
      () =>
        ({
          event: {
            eventId: crypto.randomUUID(),
            at: Date.now(),
            type: 'ticket.issued',
            outcome: 'success',
            ...about,
          },
        }) as const,
    );
    for (let from = 0; from < count; from += 100)
      await deliver(openRecord(env.RECORD), facts.slice(from, from + 100), Date.now());
  },
};

export const exportText = (ports: ExportPorts, after = 0): Promise<string> =>
  new Response(exportAudit(ports, after)).text();

export const readAudit = (path: string, headers: Readonly<Record<string, string>>) =>
  requestTo(`/admin/agents/audit${path}`, { headers });
