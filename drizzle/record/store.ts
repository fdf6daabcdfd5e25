import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Revocation } from '@agent-ticket/shared/revocation.ts';
import { checkpointStore } from './audit-checkpoints.ts';
import { auditLogStore } from './audit-log.ts';
import { segmentStore } from './audit-segments.ts';
import { createDeliver, deliverChange } from './deliver.ts';
import { invocationStore } from './invocations.ts';
import { rateStore } from './rates.ts';
import { type RecordDatabase, recordRevocationStore } from './revocations.ts';
import { sessionStore } from './sessions.ts';
import { statsStore } from './stats.ts';

/** The record database as both workers use it. */
export const recordStore = (db: RecordDatabase) => ({
  sessions: sessionStore(db),
  invocations: invocationStore(db),
  auditLog: auditLogStore(db),
  checkpoints: checkpointStore(db),
  segments: segmentStore(db),
  revocations: recordRevocationStore(db),
  rates: rateStore(db),
  stats: statsStore(db),

  deliver: createDeliver(db),
  deliverChange: (event: AuditEvent, revocations: readonly Revocation[]): Promise<void> =>
    deliverChange(db, event, revocations),
});
export type RecordStore = ReturnType<typeof recordStore>;
