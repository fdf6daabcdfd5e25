import type { Denial } from '@agent-ticket/shared/denial.ts';
import { present } from '@agent-ticket/shared/handshake.ts';
import { SESSION_ABSOLUTE_SECONDS } from '@agent-ticket/shared/limits.ts';
import { TicketId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import type { BrokerConfig } from '../config/config.ts';
import { type AgentWorker, workerOf } from '../config/workers.ts';
import type { Authenticated } from '../credentials/principal.ts';
import { type Credential, isUnverified, noteUse, USE_NOTED_EVERY_MS } from '../credentials/service-token.ts';
import type { RequestContext } from '../http/context.ts';
import type { RateState } from '../http/rate.ts';
import type { KeyMaterial, Keyring } from '../keys/keyring.ts';
import { type ChangePorts, flushOutbox } from '../revocation/outbox.ts';
import { resolveLapse } from './claims.ts';
import { isClaim, isSpent } from './decide-ticket.ts';
import { type IssuedTicket, issueTicket } from './issue.ts';
import { accountOf, type MintOrder, type MintResult, type MintShard, type SecretHolder } from './shard.ts';
import type { TicketRequest } from './ticket-request.ts';

export interface ExchangePorts extends ChangePorts {
  readonly config: ChangePorts['config'] & Pick<BrokerConfig, 'sessionRetentionMs'>;
  readonly shard: MintShard;
  readonly keyring: Pick<Keyring, 'signer' | 'lastSigner' | 'newestSigner'>;
  /** Runs beside the answer; its failure is logged and changes no answer. */
  readonly later: (work: Promise<void>) => void;
}

/** An outcome and the rest of the limit, which a refusal carries as well. */
export interface Exchanged<Value> {
  readonly outcome: Outcome<Value>;
  readonly rate: RateState | null;
  /** What became of a secret that was looked up on the way. The caller logs it, and answers its refusal. */
  readonly lookedUp?: Outcome<Authenticated>;
}

/**
 * One credential for one ticket: one hop to the mint shard, which runs `decideTicket` → sign → verify own output →
 * answer. The audit event is durable before the ticket exists, so no ticket leaves without its event; a ticket whose
 * answer is lost was issued and never used.
 */
export async function exchange(
  credential: Credential,
  request: TicketRequest,
  context: RequestContext,
  ports: ExchangePorts,
): Promise<Exchanged<TicketAnswer>> {
  const exchanged = await exchangeOne(credential, request, context, ports);
  measureExchange([request], [exchanged.outcome], context, ports);
  return exchanged;
}

async function exchangeOne(
  credential: Credential,
  request: TicketRequest,
  context: RequestContext,
  ports: ExchangePorts,
): Promise<Exchanged<TicketAnswer>> {
  const { now, ipAddress } = context;
  if (!isUnverified(credential) && isSpent(credential, now))
    return { outcome: err('credential_expired'), rate: null };
  // Nothing is asked of the database here: the shard compares the key with the rows that it reads.
  let signer = await ports.keyring.lastSigner(now);
  if (!signer.ok) return { outcome: signer, rate: null };

  const order = { credential, request, context: plain(context), jti: newJti(ports), isCounted: false };
  const account = accountOf(credential, ipAddress);
  let answer = await ports.shard.mint(account, { ...order, kid: signer.value.material.kid });
  if (answer.kind === 'key-changed') {
    signer = await ports.keyring.newestSigner(now);
    if (!signer.ok) return { outcome: signer, rate: null };
    answer = await ports.shard.mint(account, { ...order, kid: signer.value.material.kid });
  }
  if (answer.kind === 'unauthenticated') return refusedSecret(answer);
  const { material } = signer.value;
  const who = holderOf(credential, answer, now, ports);
  const outcome = await finish(answer, { ...order, kid: material.kid }, material, who, ports);
  noteSight([answer], now, ports);
  return { outcome, rate: 'rate' in answer ? answer.rate : null, ...lookedUpBy(credential, who) };
}

/**
 * {@link exchange} for several tickets, by one hop for all: one outcome for each request, in their order, or one refusal
 * of the whole. A key that has changed meanwhile costs one hop more, and so does a claim that may lapse.
 */
export async function exchangeBatch(
  credential: Credential,
  requests: readonly TicketRequest[],
  context: RequestContext,
  ports: ExchangePorts,
): Promise<Exchanged<readonly Outcome<TicketAnswer>[]>> {
  const exchanged = await exchangeAll(credential, requests, context, ports);
  const { outcome } = exchanged;
  measureExchange(requests, outcome.ok ? outcome.value : requests.map(() => outcome), context, ports);
  return exchanged;
}

/** Counts decisions, and the time of their one exchange. An agent that is not in the registry has no series. */
function measureExchange(
  requests: readonly TicketRequest[],
  outcomes: readonly Outcome<TicketAnswer>[],
  { now }: RequestContext,
  { clock, measure, registry }: ExchangePorts,
): void {
  for (const [index, outcome] of outcomes.entries()) {
    const slug = requests[index]?.agent;
    const agent = registry.some((entry) => entry.slug === slug) ? slug : undefined;
    measure('tickets_total', {
      outcome: outcome.ok ? 'issued' : 'denied',
      ...(outcome.ok ? {} : { code: outcome.denial.reason }),
      ...(agent === undefined ? {} : { agent }),
    });
  }
  measure('mint_seconds', {}, Math.max(0, clock() - now) / 1000);
}

async function exchangeAll(
  credential: Credential,
  requests: readonly TicketRequest[],
  context: RequestContext,
  ports: ExchangePorts,
): Promise<Exchanged<readonly Outcome<TicketAnswer>[]>> {
  const { now, ipAddress } = context;
  if (!isUnverified(credential) && isSpent(credential, now))
    return { outcome: err('credential_expired'), rate: null };
  const signer = await ports.keyring.lastSigner(now);
  if (!signer.ok) return { outcome: signer, rate: null };

  let { material } = signer.value;
  const order = { credential, context: plain(context), kid: material.kid };
  const asked = requests.map((request) => ({ request, jti: newJti(ports) }));
  const account = accountOf(credential, ipAddress);
  const batch = { ...order, requests: asked, isCounted: false, mayClaim: true };
  let answer = await ports.shard.mintBatch(account, batch);
  if (answer.kind === 'unauthenticated') return refusedSecret(answer);
  const who = holderOf(credential, answer, now, ports);
  const lookedUp = lookedUpBy(credential, who);
  if (answer.kind === 'unavailable') return { outcome: UNAVAILABLE, rate: null, ...lookedUp };
  const { rate } = answer;
  if (answer.kind === 'refused') return { outcome: { ok: false, denial: answer.denial }, rate, ...lookedUp };

  const outcomes = new Map<TicketId, Outcome<TicketAnswer>>();
  const finishAll = async (of: typeof asked, results: readonly MintResult[]): Promise<void> => {
    for (const [index, each] of of.entries()) {
      const result = results[index];
      if (result === undefined) throw new TypeError('each request has a result');
      const one = { ...order, ...each, kid: material.kid, isCounted: true };
      outcomes.set(each.jti, await finish(result, one, material, who, ports));
    }
  };
  const { results } = answer;
  await finishAll(asked, results);
  noteSight(results, now, ports);
  const again = asked.filter((_, index) => results[index]?.kind === 'key-changed');
  const newest = again.length === 0 ? undefined : await ports.keyring.newestSigner(now);
  if (newest?.ok === true) {
    material = newest.value.material;
    const rest = { requests: again, kid: material.kid, isCounted: true, mayClaim: !results.some(isClaim) };
    answer = await ports.shard.mintBatch(account, { ...order, ...rest });
    if (answer.kind === 'decided') await finishAll(again, answer.results);
  }
  return { outcome: ok(asked.map(({ jti }) => outcomes.get(jti) ?? UNAVAILABLE)), rate, ...lookedUp };
}

const newJti = ({ randomId }: ExchangePorts): TicketId => TicketId.parse(randomId());

/** Plain data only: other members of a call cannot be sent to a Durable Object. */
const plain = ({ requestId, trace, now, ipAddress, userAgent }: RequestContext): RequestContext => ({
  requestId,
  trace,
  now,
  ipAddress,
  userAgent,
});

const UNAVAILABLE = err('database_unavailable', { retryAfter: 5 });

function refusedSecret({ denial }: { readonly denial: Denial }): Exchanged<never> {
  const lookedUp = { ok: false, denial } as const;
  return { outcome: lookedUp, rate: null, lookedUp };
}

/** The caller, where it is verified by now; the use of a secret is noted. `now` in ms. */
function holderOf(
  credential: Credential,
  { holder }: SecretHolder,
  now: number,
  ports: ExchangePorts,
): Authenticated | undefined {
  if (!isUnverified(credential)) return credential;
  const tokens = { tokens: ports.control.serviceTokens, later: ports.later };
  if (holder?.isUseDue === true) noteUse(credential.tokenId, tokens, now);
  return holder?.who;
}

const lookedUpBy = (credential: Credential, who: Authenticated | undefined) =>
  isUnverified(credential) && who !== undefined ? { lookedUp: ok(who) } : {};

/** Finishes a shard's result: signs a ticket, or resolves a claim that may lapse and sends its request once more. */
async function finish(
  result: MintResult,
  order: MintOrder,
  material: KeyMaterial,
  who: Authenticated | undefined,
  ports: ExchangePorts,
): Promise<Outcome<TicketAnswer>> {
  const { credential, context } = order;
  let last = result;
  if (last.kind === 'lapses') {
    if (who === undefined) throw new TypeError('a claim lapses for a caller who was verified');
    const resolved = await resolveLapse(last.claim, { ...context, who }, ports);
    if (!resolved.ok) return resolved;
    last = await ports.shard.mint(accountOf(credential, context.ipAddress), { ...order, isCounted: true });
  }
  switch (last.kind) {
    case 'refused':
    case 'unauthenticated':
      return { ok: false, denial: last.denial };
    case 'unavailable':
    // Another rotation or revocation came in between.
    case 'key-changed':
      return UNAVAILABLE;
    // The lapse came up twice in one request: other callers claimed the instance and lost it in between.
    case 'lapses':
      return err('claim_contended', { retryAfter: 1 });
    case 'admitted': {
      if (last.isClaimed) ports.later(flushOutbox(ports));
      const issued = await issueTicket(last.payload, material);
      return ok(answerOf(issued, context.now, workerOf(issued.claims.agent, ports)));
    }
  }
}

/**
 * Stores the label of the principal beside the answer, for as long as its sessions are kept. All results of one exchange
 * are for one principal. `now` in ms.
 */
function noteSight(
  results: readonly MintResult[],
  now: number,
  { control, config, later }: ExchangePorts,
): void {
  const seen = results.find((result) => result.kind === 'admitted' && result.label !== undefined);
  if (seen?.kind !== 'admitted' || seen.label === undefined) return;
  const sight = { id: seen.payload.sub, label: seen.label, now, since: now - USE_NOTED_EVERY_MS };
  const keptUntil = now + SESSION_ABSOLUTE_SECONDS * 1000 + config.sessionRetentionMs;
  later(control.principals.see({ ...sight, keptUntil }));
}

/** What `POST /tickets` answers. */
export interface TicketAnswer {
  readonly ticket: string;
  readonly expires_in: number;
  readonly expires_at: string;
  readonly jti: string;
  readonly agent: string;
  readonly instance: string;
  readonly scope: string;
  readonly role: string;
  readonly session_expires_at: string;
  readonly url: string;
  readonly protocols: readonly [string, string];
}

function answerOf({ ticket, claims }: IssuedTicket, now: number, worker: AgentWorker): TicketAnswer {
  const socketUrl = new URL(`/agents/${claims.agent}/${claims.instance}`, worker.url);
  socketUrl.protocol = socketUrl.protocol === 'https:' ? 'wss:' : 'ws:';
  return {
    ticket,
    expires_in: claims.exp - Math.floor(now / 1000),
    expires_at: new Date(claims.exp * 1000).toISOString(),
    jti: claims.jti,
    agent: claims.agent,
    instance: claims.instance,
    scope: formatScope(claims.scope),
    role: claims.role,
    session_expires_at: new Date(claims.session_expiry * 1000).toISOString(),
    ...present(socketUrl.href, ticket),
  };
}
