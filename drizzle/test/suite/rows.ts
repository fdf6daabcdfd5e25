import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { PrincipalId, TicketId } from '@agent-ticket/shared/names.ts';
import type { Revocation } from '@agent-ticket/shared/revocation.ts';
import type { NewRevocation, OutboxRow, RevocationRow } from '../../control/change.ts';
import type { NewGrant } from '../../control/grants.ts';
import type { GrantRow } from '../../control/policy.ts';
import type { serviceTokenSecrets } from '../../control/schema.ts';
import type { ServiceTokenRow } from '../../control/service-tokens.ts';
import type { NewSigningKey } from '../../control/signing-keys.ts';
import type { NewWebhook } from '../../control/webhooks.ts';
import type { SegmentRow } from '../../record/audit-segments.ts';
import type { RecordDatabase } from '../../record/revocations.ts';
import { revocationCopies } from '../../record/schema.ts';
import { type SessionFact, writeSessions } from '../../record/sessions.ts';

/** Valid rows; a test says only what matters to it. */

export const NOW = 1_700_000_000_000;
export const MINUTE = 60_000;

export const ALICE = PrincipalId.parse('auth0:people.test:alice');
export const BOB = PrincipalId.parse('auth0:people.test:bob');
export const JTI = TicketId.parse('7f0c9c3e-3d0e-4b0a-9a51-0a3b1c5d7e9f');
/** Of the agent worker that has the sessions. */
export const AUDIENCE = 'agents.test';
/** A kid as a real key has it. */
export const KID = 'k'.repeat(43);

/** `name` made a UUID: the same name, the same UUID. */
export const uuidOf = (name: number): string =>
  `00000000-0000-4000-8000-${name.toString(16).padStart(12, '0')}`;

/** The id of a service token. */
export const tokenId = (name: string): string => `svc_${name.padEnd(22, '0')}`;

export const signingKey = (differs: Partial<NewSigningKey> = {}): NewSigningKey => ({
  kid: 'key-1',
  purpose: 'ticket',
  generation: 1,
  alg: 'ES256',
  sealed: 'sealed',
  createdAt: NOW,
  activatesAt: NOW,
  ...differs,
});

export const serviceToken = (differs: Partial<ServiceTokenRow> = {}): ServiceTokenRow => ({
  id: tokenId('1'),
  name: 'nightly report',
  agents: ['counter'],
  permissions: ['keys:read'],
  tier: 'pro',
  createdBy: ALICE,
  createdAt: NOW,
  expiresAt: null,
  revokedAt: null,
  lastUsedAt: null,
  ...differs,
});

export const webhook = (differs: Partial<NewWebhook> = {}): NewWebhook => ({
  id: uuidOf(1),
  name: 'the archive',
  url: 'https://archive.test/events',
  types: ['ticket.denied'],
  audience: null,
  sealed: 'nonce.ciphertext',
  createdBy: ALICE,
  createdAt: NOW,
  seq: 7,
  dueAt: NOW,
  ...differs,
});

type SecretRow = typeof serviceTokenSecrets.$inferSelect;

export const secret = (differs: Partial<SecretRow> = {}): SecretRow => ({
  digest: 'digest-1',
  tokenId: tokenId('1'),
  createdAt: NOW,
  expiresAt: null,
  ...differs,
});

export const grant = (differs: Partial<GrantRow> = {}): GrantRow => ({
  id: 'grant-1',
  subject: ALICE,
  agentSlug: 'counter',
  instanceId: 'main',
  role: 'viewer',
  reason: 'on call',
  createdBy: 'auth0:people.test:owner',
  createdAt: NOW,
  expiresAt: null,
  claimed: false,
  openedAt: null,
  deletedAt: null,
  ...differs,
});

export const newGrant = (differs: Partial<NewGrant> = {}): NewGrant => {
  const { claimed: _c, openedAt: _o, deletedAt: _d, ...rest } = grant();
  return { ...rest, ...differs };
};

/** A lock as a change makes it. */
export const newRevocation = (differs: Partial<NewRevocation> = {}): NewRevocation => ({
  id: 'lock-1',
  target: 'agent:counter',
  kind: 'any',
  until: null,
  code: 'locked',
  reason: 'incident',
  createdBy: 'auth0:people.test:operator',
  createdAt: NOW,
  ...differs,
});

export const revocationRow = (differs: Partial<RevocationRow> = {}): RevocationRow => ({
  ...newRevocation(),
  rev: 1,
  ...differs,
});

/** A revocation as agent workers get it. */
export const revocation = (differs: Partial<Revocation> = {}): Revocation => ({
  id: 'lock-1',
  rev: 1,
  target: 'agent:counter',
  kind: 'any',
  until: null,
  code: 'locked',
  ...differs,
});

export const auditEvent = (differs: Partial<AuditEvent> = {}): AuditEvent => ({
  eventId: uuidOf(1),
  at: NOW,
  type: 'ticket.issued',
  outcome: 'success',
  ...differs,
});

/** An event without a command that waits. */
/** The segment that ends with a checkpoint. */
export const segment = (n: number, from: number, through: number): SegmentRow => ({
  ...{ n, fromN: n, from, through, at: NOW + n, bytes: 1000, digest: 'ab'.repeat(32), purgedAt: null },
});

export const outboxRow = (differs: Partial<OutboxRow> = {}): OutboxRow => ({
  id: uuidOf(1),
  event: '{"type":"lock.created"}',
  command: null,
  delivered: '[]',
  attempts: 0,
  dueAt: NOW,
  ...differs,
});

export const sessionFact = (differs: Partial<SessionFact> = {}): SessionFact => ({
  id: uuidOf(1),
  principal: ALICE,
  agent: 'counter',
  instance: 'main',
  audience: AUDIENCE,
  role: 'viewer',
  scope: 'agent:connect',
  startedAt: NOW,
  endedAt: null,
  endReason: null,
  ipAddress: null,
  userAgent: null,
  jti: JTI,
  kid: KID,
  rev: 7,
  grantId: null,
  loginId: null,
  ...differs,
});

/** A copy of a revocation without the change that brings it. */
export const keepCopy = async (db: RecordDatabase, row: Revocation, arrival = row.rev): Promise<void> => {
  await db.insert(revocationCopies).values({ ...row, arrival });
};

/** Sessions without the events that bring them. */
export const addSessions = async (
  { recordDb }: { readonly recordDb: RecordDatabase },
  ...facts: readonly SessionFact[]
): Promise<void> => {
  const [first, ...rest] = writeSessions(recordDb)(facts);
  if (first !== undefined) await recordDb.batch([first, ...rest]);
};
