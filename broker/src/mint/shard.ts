import type { MintFacts, MintQuestion } from '@agent-ticket/drizzle/control/mint-facts.ts';
import type { GrantRow } from '@agent-ticket/drizzle/control/policy.ts';
import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import type { InstanceMark } from '@agent-ticket/drizzle/instance-marks.ts';
import { addressKey } from '@agent-ticket/shared/anonymous.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Denial } from '@agent-ticket/shared/denial.ts';
import type { TicketId, Tier } from '@agent-ticket/shared/names.ts';
import type { TicketPayload } from '@agent-ticket/shared/ticket.ts';
import type { WorkersConfig } from '../config/workers.ts';
import type { Authenticated, LabelKind } from '../credentials/principal.ts';
import { type Credential, isUnverified, principalOfToken } from '../credentials/service-token.ts';
import type { RequestContext } from '../http/context.ts';
import { type Counter, INSTANCE_WINDOW_MS, type RateRule, type RateState } from '../http/rate.ts';
import type { CoalescedRead } from './coalesced-read.ts';
import type { PolicyInputPorts } from './policy-input.ts';
import type { TicketRequest } from './ticket-request.ts';

/** One request for a ticket. Plain data: it travels to the shard. */
export interface MintOrder {
  /** Verified, or the secret of a service token, which the shard looks up with its other facts. */
  readonly credential: Credential;
  readonly request: TicketRequest;
  readonly context: RequestContext;
  readonly jti: TicketId;
  /** The key that will sign. */
  readonly kid: string;
  /** Whether the request was counted before, as one that comes again is. */
  readonly isCounted: boolean;
}

/** Requests of one caller that came together. Plain data, as an order. */
export interface MintBatch extends Omit<MintOrder, 'request' | 'jti'> {
  /** At least one. */
  readonly requests: readonly Pick<MintOrder, 'request' | 'jti'>[];
  /** Whether one of them may claim an instance. */
  readonly mayClaim: boolean;
}

/** The holder of the secret that the shard looked up. */
export interface SecretHolder {
  readonly holder?: { readonly who: Authenticated; readonly isUseDue: boolean };
}

/** A shard's answer to a request for a ticket. */
export type MintAnswer = MintResult & SecretHolder;

/** A shard's answer to a batch: one result for each request, in their order, or one refusal of all. */
export type BatchAnswer = SecretHolder &
  (
    | { readonly kind: 'decided'; readonly results: readonly MintResult[]; readonly rate: RateState | null }
    | Exclude<MintResult, { kind: 'admitted' | 'lapses' | 'key-changed' }>
  );

/** `admitted` and `refused` are durable in the audit log. */
export type MintResult =
  /** The event is durable: sign exactly this. */
  | {
      readonly kind: 'admitted';
      readonly payload: TicketPayload;
      readonly rate: RateState | null;
      /** Whether the principal became the owner by it: the event of that waits in the outbox. */
      readonly isClaimed: boolean;
      /** The label of the principal, where its sight is to be noted. */
      readonly label?: string | undefined;
    }
  | { readonly kind: 'refused'; readonly denial: Denial; readonly rate: RateState | null }
  /** Nothing was recorded: the object of this claim must be asked whether it lapses, and the request comes again. */
  | { readonly kind: 'lapses'; readonly claim: GrantRow; readonly rate: RateState | null }
  /** The secret is refused. Nothing was counted or recorded: failed credentials have counters of their own. */
  | { readonly kind: 'unauthenticated'; readonly denial: Denial }
  /** Nothing was counted or recorded: the key of the order does not sign any more, and the request comes again. */
  | { readonly kind: 'key-changed' }
  /** A database does not answer. */
  | { readonly kind: 'unavailable' };

/**
 * Decides, counts and records requests for tickets in one hop. All requests of one account go to the same shard, so
 * counts are exact.
 */
export interface MintShard extends Counter {
  mint(account: string, order: MintOrder): Promise<MintAnswer>;

  /** The same for several requests of one caller, which are counted before anything is read for them. */
  mintBatch(account: string, batch: MintBatch): Promise<BatchAnswer>;

  /** What is durable and not yet in the record database. Left out where nothing ever waits. */
  waiting?(): Promise<Waiting>;
}

/** The ports that a shard needs for its decisions. */
export interface MintPorts extends Pick<PolicyInputPorts, 'registry'> {
  readonly control: Pick<ControlStore, 'change' | 'grants'>;
  /** Facts that were read after this call. */
  readonly readFacts: CoalescedRead<MintQuestion, MintFacts>;
  readonly config: PolicyInputPorts['config'] &
    WorkersConfig & { readonly issuer: string; readonly principalLabel: LabelKind };
  readonly randomId: () => string;
  readonly record: Recording;
}

/** Storage of a shard's counts and events: both are durable, in one write, when it resolves. */
export interface Recording {
  write(entry: RecordEntry): Promise<RecordResult>;
}

/** Whether the request is within the limit, and the rest of the limit; `rate` is null where nothing was counted. */
export interface RecordResult {
  readonly admitted: boolean;
  readonly rate: RateState | null;
  /** Where a name too many is the reason of the refusal: when another one is possible, in ms. */
  readonly nextInstanceAt?: number;
}

export interface RecordEntry {
  /** Left out: neither counted nor limited. */
  readonly rate?: RateRule | undefined;
  /** An instance whose name is counted, too, with `rate`. */
  readonly mark?: InstanceMark | undefined;
  /** Written if the limit lets it pass. Left out: only counted. */
  readonly event?: AuditEvent | undefined;
  /**
   * The target of the request, for the `rate.limited` event of a request that the limit refuses. That event is written
   * once for each window, so that a flood writes one row. Default: `event`.
   */
  readonly wanted?: AuditEvent | undefined;
}

/** Events on their way to the record database. */
export interface Waiting {
  /** In the shards themselves. */
  readonly events: number;
  /** In objects of agents that could not deliver and said so within the last minute. */
  readonly agents: { readonly objects: number; readonly events: number };
  /** When the oldest of all these came to be, in ms; `undefined`: nothing waits. */
  readonly since: number | undefined;
}

/** The mint shards on Workers. Few coalesce more reads and writes; each runs on one thread. */
export const DEFAULT_SHARDS = 8;

/** The most of them. Shards beyond the present number still count as places where events may wait. */
export const MAX_SHARDS = 64;

/** Requests for tickets, and apart from them units of other calls, per window; `null`: not counted at all. */
export const RATE_LIMITS: Readonly<Record<Tier | 'anonymous', number | null>> = {
  anonymous: 30,
  free: 60,
  pro: 600,
  admin: null,
};

/**
 * Distinct instance names per {@link INSTANCE_WINDOW_MS}, of agents without a list of instances, that a caller gets
 * tickets for without a grant there; `null`: not counted. Each new name makes an object that nobody but an owner or
 * operator can delete.
 */
export const INSTANCE_LIMITS: Readonly<Record<Tier | 'anonymous', number | null>> = {
  anonymous: 10,
  free: 20,
  pro: 200,
  admin: null,
};

/** The account that a request is counted under. Callers without a credential share one account per network address. */
export function accountOf(credential: Credential, address: string | null): string {
  if (isUnverified(credential)) return principalOfToken(credential.tokenId);
  return credential.method === 'anonymous' ? `address:${addressKey(address)}` : credential.principal.id;
}

export function rateRuleOf(who: Authenticated, address: string | null): RateRule | undefined {
  const limit = RATE_LIMITS[rankOf(who)];
  return limit === null ? undefined : { key: accountOf(who, address), limit };
}

/** The mark of an instance that the caller has no grant on; `undefined`: the caller's names are not counted. */
export function instanceMarkOf(
  who: Authenticated,
  address: string | null,
  at: { readonly agent: string; readonly instance: string },
): InstanceMark | undefined {
  const limit = INSTANCE_LIMITS[rankOf(who)];
  if (limit === null) return undefined;
  const name = `${at.agent}/${at.instance}`;
  return { account: accountOf(who, address), name, limit, windowMs: INSTANCE_WINDOW_MS };
}

const rankOf = (who: Authenticated): Tier | 'anonymous' =>
  who.method === 'anonymous' ? 'anonymous' : who.principal.tier;

/** The event of a request over the limit, which replaces the request's own event. */
export const overLimitEvent = ({ jti: _never, ...wanted }: AuditEvent): AuditEvent => ({
  ...wanted,
  type: 'rate.limited',
  outcome: 'denied',
  code: 'rate_limited',
  details: { wanted: wanted.type },
});
