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
import type { Keyring } from '../keys/keyring.ts';
import { type ChangePorts, flushOutbox } from '../revocation/outbox.ts';
import { resolveLapse } from './claims.ts';
import { isSpent } from './decide-ticket.ts';
import { type IssuedTicket, issueTicket } from './issue.ts';
import { accountOf, type MintShard } from './shard.ts';
import type { TicketRequest } from './ticket-request.ts';

export interface ExchangePorts extends ChangePorts {
  readonly config: ChangePorts['config'] & Pick<BrokerConfig, 'sessionRetentionMs'>;
  readonly shard: MintShard;
  readonly keyring: Pick<Keyring, 'signer' | 'lastSigner' | 'newestSigner'>;
  /** Runs beside the answer; its failure is logged and changes no answer. */
  readonly later: (work: Promise<void>) => void;
}

/** An outcome and the rest of the limit, which a refusal carries as well. */
interface Exchanged {
  readonly outcome: Outcome<TicketAnswer>;
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
): Promise<Exchanged> {
  const { requestId, now, ipAddress, userAgent } = context;
  if (!isUnverified(credential) && isSpent(credential, now))
    return { outcome: err('credential_expired'), rate: null };
  // Nothing is asked of the database here: the shard compares the key with the rows that it reads.
  let signer = await ports.keyring.lastSigner(now);
  if (!signer.ok) return { outcome: signer, rate: null };

  const order = {
    credential,
    request,
    // Plain data only: other members of a call cannot be sent to a Durable Object.
    context: { requestId, now, ipAddress, userAgent },
    jti: TicketId.parse(ports.randomId()),
    isCounted: false,
  };
  const account = accountOf(credential, ipAddress);
  let answer = await ports.shard.mint(account, { ...order, kid: signer.value.material.kid });
  if (answer.kind === 'key-changed') {
    signer = await ports.keyring.newestSigner(now);
    if (!signer.ok) return { outcome: signer, rate: null };
    answer = await ports.shard.mint(account, { ...order, kid: signer.value.material.kid });
  }
  const { material } = signer.value;
  if (answer.kind === 'lapses') {
    const { claim, rate, holder } = answer;
    const who = isUnverified(credential) ? holder?.who : credential;
    if (who === undefined) throw new TypeError('a claim lapses for a caller who was verified');
    const resolved = await resolveLapse(claim, { ...context, who }, ports);
    if (!resolved.ok) return { outcome: resolved, rate };
    const again = await ports.shard.mint(account, { ...order, kid: material.kid, isCounted: true });
    answer = 'rate' in again ? { ...again, rate } : again;
  }
  if (answer.kind === 'unauthenticated') {
    const lookedUp = { ok: false, denial: answer.denial } as const;
    return { outcome: lookedUp, rate: null, lookedUp };
  }
  const { holder } = answer;
  if (holder?.isUseDue && isUnverified(credential))
    noteUse(credential.tokenId, { tokens: ports.control.serviceTokens, later: ports.later }, now);
  const lookedUp = holder === undefined ? {} : { lookedUp: ok(holder.who) };
  switch (answer.kind) {
    case 'refused':
      return { outcome: { ok: false, denial: answer.denial }, rate: answer.rate, ...lookedUp };
    case 'unavailable':
    // Another rotation or revocation came in between.
    case 'key-changed':
      return { outcome: err('database_unavailable', { retryAfter: 5 }), rate: null, ...lookedUp };
    // The lapse came up twice in one request: other callers claimed the instance and lost it in between.
    case 'lapses':
      return { outcome: err('claim_contended', { retryAfter: 1 }), rate: answer.rate, ...lookedUp };
    case 'admitted': {
      if (answer.isClaimed) ports.later(flushOutbox(ports));
      if (answer.label !== undefined) ports.later(noteSight(answer.payload.sub, answer.label, now, ports));
      const issued = await issueTicket(answer.payload, material);
      return {
        outcome: ok(answerOf(issued, now, workerOf(issued.claims.agent, ports))),
        rate: answer.rate,
        ...lookedUp,
      };
    }
  }
}

/** Notes beside the answer by what operators know the principal, as long as its sessions are kept. `now` in ms. */
const noteSight = (
  id: string,
  label: string,
  now: number,
  { control, config }: ExchangePorts,
): Promise<void> =>
  control.principals.see({
    ...{ id, label, now, since: now - USE_NOTED_EVERY_MS },
    keptUntil: now + SESSION_ABSOLUTE_SECONDS * 1000 + config.sessionRetentionMs,
  });

/** What `POST /tickets` answers. */
interface TicketAnswer {
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
