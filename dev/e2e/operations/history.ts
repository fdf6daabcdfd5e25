import { sealAudit } from '@agent-ticket/broker/src/audit/sealer.ts';
import { readConfig } from '@agent-ticket/broker/src/config/config.ts';
import { createKeyring } from '@agent-ticket/broker/src/keys/keyring.ts';
import { openControl } from '@agent-ticket/drizzle/control/open-d1.ts';
import type { RecordFact } from '@agent-ticket/drizzle/record/deliver.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { PrincipalId, TicketId } from '@agent-ticket/shared/names.ts';
import { DEV_AUDIENCE } from 'agent-ticket/src/dev-files.ts';
import type { Stack } from '../../start/stack.ts';

/** The principal of the past sessions. */
export const VISITOR = PrincipalId.parse('token:visitor');
const VISIT = { principal: VISITOR, agent: 'counter', instance: 'history' } as const;

/**
 * Writes the records of a past moment (in ms) by the code of broker and object and with the keys of this broker: a session
 * that began and ended with a call in it, another that did not end, and the checkpoint of that minute.
 */
export async function writeHistory(
  { facts, workers }: Stack,
  keyEncryptionKey: string,
  at: number,
): Promise<void> {
  const control = openControl(await workers.getD1Database('CONTROL', 'broker'));
  const record = openRecord(await workers.getD1Database('RECORD', 'broker'));
  await record.deliver([...visit(at, true), ...visit(at, false)], at);
  const config = readConfig({
    ISSUER: facts.issuer,
    TICKET_AUDIENCE: facts.audience,
    AGENT_WORKER_URL: facts.agentWorker,
    KEK: keyEncryptionKey,
    TOKEN_PEPPER: keyEncryptionKey,
    MODE: 'development',
  });
  const shared = { control, record, config, log: () => {} };
  const auditKeyring = createKeyring({
    ...shared,
    purpose: 'audit',
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    randomId: () => crypto.randomUUID(),
  });
  if ((await sealAudit({ ...shared, auditKeyring }, at)) === undefined)
    throw new Error('the history has no checkpoint');
}

function visit(at: number, ends: boolean): RecordFact[] {
  const [sessionId, jti] = [crypto.randomUUID(), TicketId.parse(crypto.randomUUID())];
  const event = { at, outcome: 'success', ...VISIT, jti, sessionId } as const;
  const opened = {
    ...VISIT,
    id: sessionId,
    jti,
    kid: 'history',
    audience: DEV_AUDIENCE,
    role: 'viewer',
    scope: 'agent:connect',
    rev: 0,
    grantId: null,
    loginId: null,
    startedAt: at,
    endedAt: null,
    endReason: null,
    ipAddress: null,
    userAgent: null,
  } as const;
  const call = {
    id: crypto.randomUUID(),
    sessionId,
    method: 'whoami',
    startedAt: at,
    durationMs: 1,
    code: null,
  };
  return [
    { event: { ...event, eventId: crypto.randomUUID(), type: 'session.opened' }, session: opened },
    { invocation: { ...call, outcome: 'success' } },
    ...(ends
      ? [
          {
            event: { ...event, eventId: crypto.randomUUID(), type: 'session.closed', code: 'client_closed' },
            session: { ...opened, endedAt: at, endReason: 'client_closed' },
          } as const,
        ]
      : []),
  ];
}
