import type { changeEventQueries } from '@agent-ticket/drizzle/control/change-events.ts';
import type { lockQueries } from '@agent-ticket/drizzle/control/locks.ts';
import type { checkpointQueries } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import type { auditLogQueries } from '@agent-ticket/drizzle/record/audit-log.ts';
import type { invocationQueries } from '@agent-ticket/drizzle/record/invocations.ts';
import type { Anchor } from '../audit/anchor.ts';
import type { CredentialPorts } from '../credentials/authenticate.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { RevocationPorts } from '../keys/revocation.ts';
import type { ExchangePorts } from '../mint/mint.ts';
import type { TerminationPorts } from '../revocation/termination.ts';
import type { ExpiringPorts } from './forget-expired.ts';
import type { SessionRetentionPorts } from './session-retention.ts';

/** Everything that the broker's code needs from where it runs. */
export interface BrokerPorts
  extends ExchangePorts,
    ExpiringPorts,
    Pick<SessionRetentionPorts, 'invocationRetentionMs'> {
  readonly credentials: CredentialPorts;
  readonly locks: ReturnType<typeof lockQueries>;
  readonly termination: TerminationPorts;
  /** Keys that sign checkpoints of the audit log, and nothing else. */
  readonly auditKeyring: Keyring;
  readonly revocation: RevocationPorts;
  readonly auditLog: ReturnType<typeof auditLogQueries>;
  readonly checkpoints: ReturnType<typeof checkpointQueries>;
  readonly invocations: ReturnType<typeof invocationQueries>;
  /** How long sealed events are kept, in ms. */
  readonly retentionMs: number;
  readonly anchor: Anchor;
  /** Audit events of changes that the ledger does not have yet. */
  readonly changeEvents: ReturnType<typeof changeEventQueries>;
  readonly allowedOrigins: readonly string[];
  /** One question to each database; rejects when one does not answer. */
  readonly pingDatabases: () => Promise<void>;
  readonly randomBytes: (length: number) => Uint8Array<ArrayBuffer>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** The caller's address as the platform knows it, never as the caller says. */
  readonly addressOf: (request: Request) => string | null;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}
