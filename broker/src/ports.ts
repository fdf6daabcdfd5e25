import type { lockQueries } from '@agent-ticket/drizzle/control/locks.ts';
import type { CredentialPorts } from './credentials/authenticate.ts';
import type { ExchangePorts } from './exchange.ts';
import type { ExpiringPorts } from './forget-expired.ts';
import type { TerminationPorts } from './termination.ts';

/** Everything that the broker's code needs from where it runs. */
export interface BrokerPorts extends ExchangePorts, ExpiringPorts {
  readonly credentials: CredentialPorts;
  readonly locks: ReturnType<typeof lockQueries>;
  readonly termination: TerminationPorts;
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
