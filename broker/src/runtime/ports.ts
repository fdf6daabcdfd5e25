import type { Sample } from '@agent-ticket/shared/metrics.ts';
import type { PrincipalId } from '@agent-ticket/shared/names.ts';
import type { Anchor } from '../audit/anchor.ts';
import type { ArchiveStore } from '../audit/archive-store.ts';
import type { RunningExport } from '../audit/export.ts';
import type { BrokerConfig } from '../config/config.ts';
import type { CredentialPorts } from '../credentials/authenticate.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { ExchangePorts } from '../mint/mint.ts';
import type { MintPorts } from '../mint/shard.ts';
import type { Post } from '../webhooks/post.ts';

/** The dependencies of the broker's code on its runtime. */
export interface BrokerPorts extends ExchangePorts, Pick<MintPorts, 'registry'> {
  readonly config: BrokerConfig;
  readonly credentials: CredentialPorts;
  readonly keyring: Keyring;
  /** Keys that sign checkpoints of the audit log, and nothing else. */
  readonly auditKeyring: Keyring;
  /** The series of this process, where it writes them down for Prometheus; left out: they go elsewhere. */
  readonly metricsText?: ((gauges: readonly Sample[]) => string) | undefined;
  readonly anchor: Anchor;
  /** The exports of the audit log that run in this process, by the principal that asked for them. */
  readonly exports: Map<PrincipalId, Set<RunningExport>>;
  /** Where older events of the audit log are; left out: all are in the record database. */
  readonly archive?: ArchiveStore | undefined;
  /** Sends a message to a receiver whose address an operator chose. */
  readonly post: Post;
  /** A file of the operator's console by its name, with its `ETag`. Left out: this broker has no console. */
  readonly consoleFile?: ((name: string) => Promise<Response | undefined>) | undefined;
  /** One question to each database; rejects when it does not answer. */
  readonly ping: { readonly control: () => Promise<void>; readonly record: () => Promise<void> };
  readonly randomBytes: (length: number) => Uint8Array<ArrayBuffer>;
  /** The caller's address as the platform knows it, never as the caller says. */
  readonly addressOf: (request: Request) => string | null;
  /** Whether the caller sent the request by TLS: by its URL, or as a trusted proxy states it. */
  readonly isByTls: (request: Request) => boolean;
}
