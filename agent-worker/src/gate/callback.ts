import { addressKey } from '@agent-ticket/shared/anonymous.ts';
import { type AgentCallback, findCallback, MCP_OAUTH } from '@agent-ticket/shared/callbacks.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { ticketTexts } from '@agent-ticket/shared/handshake.ts';
import { AgentSlug, PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { messageBytes } from '@agent-ticket/shared/registry.ts';
import { callbackScope } from '@agent-ticket/shared/scope.ts';
import { isNamedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { base64url } from 'jose';
import * as z from 'zod';
import { type CallbackTokens, lengthPrefixed, TOKEN_PARAMETER } from '../callback-token.ts';
import type { GateConfig } from '../config.ts';
import type { TicketlessCall } from '../handover.ts';
import type { Rates } from '../ticketed/limits.ts';
import { browserOf } from './browser.ts';
import { readRequestBody } from './request-body.ts';
import { isWrite, type Route } from './route.ts';

/** A request that claims to be a callback, for the app's own verification. */
export interface CallbackRequest<Env = unknown> {
  /** The request, its body readable once more. */
  readonly request: Request;
  /** The body, at most 64 KiB; empty for GET. */
  readonly bytes: Uint8Array;
  /** Slug and instance that the path names. The sender has not proven that it means them. */
  readonly agent: string;
  readonly instance: string;
  readonly env: Env;
}

/** The facts that the app's verification takes from a request. */
export interface VerifiedCallback {
  /** The sender, as `<scheme>:<name>`, for the audit log and for locks. The agent's caller is still `callback:<name>`. */
  readonly principal: string;
  /** The instance that the request is for, from signed content and never from the path. The gate refuses another one. */
  readonly instance: string;
  /** The id of the delivery, which is handled once in 24 hours; left out: the body. Required where there is no body. */
  readonly once?: string;
}

/**
 * Verifies the requests of one callback before any object wakes. `undefined` refuses (401). Where it throws, or takes more
 * than 10 s, the answer is 503, so that the sender tries again. Must compare in constant time.
 */
export type VerifyCallback<Env = unknown> = (
  callback: CallbackRequest<Env>,
) => VerifiedCallback | undefined | Promise<VerifiedCallback | undefined>;

const Verified = z
  .strictObject({
    principal: PrincipalId,
    instance: z.string(),
    once: z.string().min(1).max(1024).optional(),
  })
  .optional();

export interface CallbackPorts {
  readonly tokens: CallbackTokens;
  /** The app's own verification by name of the callback. */
  readonly verifiers: ReadonlyMap<string, (callback: Omit<CallbackRequest, 'env'>) => unknown>;
  readonly rates: Pick<Rates, 'allow' | 'giveBack'>;
}

interface AdmitPorts {
  readonly config: Pick<GateConfig, 'audience'>;
  readonly callbacks: CallbackPorts;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly clock: () => number;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** Longest body of a request whose sender nobody knows yet. */
const BODY_BYTES = 64 * 1024;
const VERIFY_DEADLINE_MS = 10_000;

/**
 * The callback that a request is for, by raw path, method and credential; `undefined`: none, and its ticket decides. A
 * request with both a ticket and a proof of the callback is refused: neither is preferred.
 */
export function callbackOf(
  request: Request,
  url: URL,
  { entry }: Route,
  { verifiers }: Pick<CallbackPorts, 'verifiers'>,
  isUpgrade: boolean,
): Outcome<AgentCallback | undefined> {
  const callback = findCallback(entry.callbacks, url.pathname);
  if (callback === undefined) return ok(undefined);
  const { methods: allow } = callback;
  const tickets = ticketTexts(url, request.headers);
  if (verifiers.has(callback.name)) {
    // A sender may have an `Authorization` of its own, and a parameter `ticket` that is no ticket of ours.
    const hasTicket = tickets.some(isNamedTicket);
    if (isUpgrade) return ok(undefined);
    if (allow.includes(request.method)) return hasTicket ? err('callback_ambiguous') : ok(callback);
    return hasTicket ? ok(undefined) : err('method_not_allowed', { allow });
  }
  if (!url.searchParams.has(callback.name === MCP_OAUTH ? 'state' : TOKEN_PARAMETER)) return ok(undefined);
  if (tickets.length > 0) return err('callback_ambiguous');
  if (isUpgrade) return ok(undefined);
  return allow.includes(request.method) ? ok(callback) : err('method_not_allowed', { allow });
}

/** A request that may go to the object, unless a revocation hits it. */
export interface Admitted {
  readonly call: Omit<TicketlessCall, 'requestId' | 'ipAddress' | 'userAgent'>;
  /** The body that the agent gets. */
  readonly body: Uint8Array | null;
  /** The last check, after that of revocations: the limit of the instance. */
  readonly enter: () => Outcome<undefined>;
}

/**
 * Admits a callback: limit by address, then token or verification. A request that enters is taken off the count of its
 * address again. So the limit by address counts refused requests, and good senders that share an address are not limited.
 *
 * Does NOT check revocations.
 */
export async function admitCallback(
  request: Request,
  url: URL,
  { entry, instance }: Route,
  callback: AgentCallback,
  ports: AdmitPorts,
): Promise<Outcome<Admitted>> {
  const { rates } = ports.callbacks;
  const { slug: agent } = entry;
  const { name, limit } = callback;
  const rate = { perSecond: limit / 60, burst: limit };
  const address = `${agent} ${name} at ${addressKey(request.headers.get('cf-connecting-ip'))}`;
  const isLimited = (id: string) => !rates.allow(id, rate, ports.clock());
  const tooMany = () => err('rate_limited', { retryAfter: Math.ceil(60 / limit) });
  if (isLimited(address)) return tooMany();

  const bytes = Math.min(BODY_BYTES, entry.limits.bodyBytes ?? messageBytes(entry.access));
  const readBody = async (): Promise<Outcome<Uint8Array | null>> =>
    isWrite(request.method) ? readRequestBody(request, bytes, ports.sleep) : ok(null);
  const known = await prove(request, url, { agent, instance }, callback, readBody, ports);
  if (!known.ok) return known;
  return ok({
    body: known.value.body,
    call: {
      agent: AgentSlug.parse(agent),
      instance,
      principal: PrincipalId.parse(`callback:${name}`),
      role: 'viewer',
      scope: [callbackScope(name)],
      callback: known.value.callback,
    },
    enter() {
      if (isLimited(`${agent} ${name} of ${instance}`)) return tooMany();
      rates.giveBack(address);
      return ok(undefined);
    },
  });
}

type ReadBody = () => Promise<Outcome<Uint8Array | null>>;
interface Proven {
  readonly body: Uint8Array | null;
  readonly callback: NonNullable<TicketlessCall['callback']>;
}

/** Verifies the token before the body is read; otherwise reads the body, and the app verifies it. */
async function prove(
  request: Request,
  url: URL,
  place: Pick<CallbackRequest, 'agent' | 'instance'>,
  { name }: AgentCallback,
  readBody: ReadBody,
  ports: AdmitPorts,
): Promise<Outcome<Proven>> {
  const { tokens, verifiers } = ports.callbacks;
  const { audience } = ports.config;
  const nowSeconds = Math.floor(ports.clock() / 1000);
  if (name === MCP_OAUTH) {
    const [state = '', ...others] = url.searchParams.getAll('state');
    const browser = await browserOf(request.headers);
    if (others.length > 0 || browser === undefined)
      return err('callback_token_invalid', { detail: 'another browser, or more than one state' });
    const checked = await tokens.verifyState(state, { audience, ...place, name, browser }, nowSeconds);
    return checked.ok ? ok({ body: null, callback: { browser } }) : checked;
  }
  const verify = verifiers.get(name);
  if (verify === undefined) {
    const [token = '', ...others] = url.searchParams.getAll(TOKEN_PARAMETER);
    if (others.length > 0) return err('callback_token_invalid', { detail: 'more than one' });
    const id = await tokens.verify(token, { audience, ...place, name }, nowSeconds);
    if (!id.ok) return id;
    const body = await readBody();
    return body.ok ? ok({ body: body.value, callback: { id: id.value } }) : body;
  }
  const body = await readBody();
  if (!body.ok) return body;
  const bytes = body.value ?? new Uint8Array();
  const { method, headers } = request;
  try {
    const copy = new Request(url, { method, headers, body: body.value });
    const verified = await within(verify({ request: copy, bytes, ...place }), ports.sleep);
    if (verified === undefined) return err('callback_refused');
    // A signature does not cover the URL: the same request would pass at the URL of another instance.
    if (verified.instance !== place.instance) return err('callback_instance_wrong');
    if (verified.once === undefined && bytes.length === 0) throw new TypeError('nothing to handle once');
    const once = lengthPrefixed(name, verified.once === undefined ? 'bytes' : 'id', verified.once ?? bytes);
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', once));
    return ok({
      body: body.value,
      callback: { sender: verified.principal, once: base64url.encode(digest) },
    });
  } catch (error) {
    ports.log({
      event: 'callback_unverified',
      agent: place.agent,
      callback: name,
      error: describeError(error),
    });
    return err('callback_unverified', { retryAfter: 5 });
  }
}

/** The app's answer, parsed. Throws for an answer of another shape, and for one that takes too long. */
async function within(answer: unknown, sleep: AdmitPorts['sleep']): Promise<z.output<typeof Verified>> {
  const isOver = new AbortController();
  const late = sleep(VERIFY_DEADLINE_MS, isOver.signal).then(() => {
    throw new Error('the verification takes too long');
  });
  try {
    return Verified.parse(await Promise.race([answer, late]));
  } finally {
    // The timer ends early, and its error has no reader.
    late.catch(() => {});
    isOver.abort();
  }
}
