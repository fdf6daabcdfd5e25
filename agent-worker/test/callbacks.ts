import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { defineAgents } from '@agent-ticket/shared/registry.ts';
import { vi } from 'vitest';
import type { CallbackRequest, VerifiedCallback } from '../src/gate/callback.ts';
import { createGate } from '../src/open-gate.ts';
import type { Front } from './openapi.ts';
import { NOW } from './tickets.ts';
import { printed } from './watch.ts';

/** An app with callbacks: its registry, its own verifications, and those who send. */

export const AGENTS_URL = 'https://agents.test';

const callbacks = [
  { name: 'token', methods: ['POST', 'GET'], path: 'hooks/token', limit: 1000 },
  { name: 'other', methods: ['POST'], path: 'hooks/other', limit: 1000 },
  { name: 'rare', methods: ['POST'], path: 'hooks/rare', limit: 3 },
  { name: 'github', methods: ['POST'], path: 'hooks/github', limit: 1000 },
  { name: 'stripe', methods: ['POST'], path: 'hooks/stripe', limit: 1000 },
  { name: 'mcp-oauth', methods: ['GET'], path: 'oauth', limit: 1000 },
  { name: 'odd', methods: ['POST', 'GET'], path: 'hooks/odd', limit: 1000 },
];

export const HOOKS = defineAgents([
  {
    slug: 'hooked',
    access: 'viewer',
    callbacks,
    workerCalls: [
      { name: 'reader', scopes: ['agent:connect', 'agent:state:read'] },
      { name: 'nightly', scopes: ['agent:state:read', 'agent:message'] },
    ],
  },
  {
    slug: 'witness',
    access: 'viewer',
    callbacks: [{ name: 'token', methods: ['POST'], path: 'hooks/token', limit: 1000 }],
  },
]);

const utf8 = new TextEncoder();
async function hmacHex(secret: string, text: string): Promise<string> {
  const key = await crypto.subtle.importKey(
    'raw',
    utf8.encode(secret),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  );
  const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, utf8.encode(text)));
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
const equal = (one: string, other: string): boolean =>
  one.length === other.length && crypto.subtle.timingSafeEqual(utf8.encode(one), utf8.encode(other));

const GITHUB_SECRET = 'It is a secret of a forge';
const STRIPE_SECRET = 'whsec_It_is_a_secret_of_a_bank';
const STRIPE_TOLERANCE_SECONDS = 300;

/** The text of a delivery: who it is for is in it, under the signature. */
export const delivery = (instance: string, other: object = {}): string =>
  JSON.stringify({ id: 'evt_1', repository: { name: instance }, ...other });

interface Delivery {
  readonly id: string;
  readonly repository: { readonly name: string };
}

/** Signed as GitHub does (X-Hub-Signature-256). */
export const githubHeaders = async (
  body: string,
  secret = GITHUB_SECRET,
): Promise<Record<string, string>> => ({
  'x-hub-signature-256': `sha256=${await hmacHex(secret, body)}`,
  'x-github-event': 'push',
});

async function github({ request, bytes }: CallbackRequest): Promise<VerifiedCallback | undefined> {
  const text = new TextDecoder().decode(bytes);
  const { 'x-hub-signature-256': expected = '' } = await githubHeaders(text);
  if (!equal(request.headers.get('x-hub-signature-256') ?? '', expected)) return undefined;
  const { repository }: Delivery = JSON.parse(text);
  return { principal: 'github:acme', instance: repository.name };
}

/** Signed as Stripe does (Stripe-Signature), at a time in seconds. */
export const stripeHeaders = async (
  body: string,
  at = Math.floor(Date.now() / 1000),
  secret = STRIPE_SECRET,
): Promise<Record<string, string>> => ({
  'stripe-signature': `t=${at},v1=${await hmacHex(secret, `${at}.${body}`)}`,
});

async function stripe({ request, bytes }: CallbackRequest): Promise<VerifiedCallback | undefined> {
  const text = new TextDecoder().decode(bytes);
  const header = request.headers.get('stripe-signature') ?? '';
  const at = Number(/(?:^|,)t=(\d+)/.exec(header)?.[1]);
  const { 'stripe-signature': expected = '' } = await stripeHeaders(text, at);
  const isFresh = Math.abs(Date.now() / 1000 - at) <= STRIPE_TOLERANCE_SECONDS;
  if (!isFresh || !equal(header, expected)) return undefined;
  const { id, repository }: Delivery = JSON.parse(text);
  return { principal: 'stripe:acct_1', instance: repository.name, once: id };
}

/** Answers what the test says. */
export const odd: { verify: (callback: CallbackRequest) => unknown } = { verify: () => undefined };

const open = createGate(HOOKS, {
  verifyCallback: {
    github,
    stripe,
    odd: (callback) => odd.verify(callback) as VerifiedCallback | undefined,
  },
});

/** The real gate in front of the real mixin. */
export const front: Front = async (request) =>
  (await open(request, env)) ?? new Response(null, { status: 404 });

export const hooked = (instance: string) => env.HOOKED.getByName(instance);
export const receivedBy = (instance: string) =>
  runInDurableObject(hooked(instance), (agent) => [...agent.received]);

/** A URL that the agent of an instance makes. */
export const urlOf = (
  instance: string,
  name = 'token',
  options: { expiresIn?: number } = {},
): Promise<string> => runInDurableObject(hooked(instance), (agent) => agent.callbackUrl(name, options));

/** The path of a callback of an instance. */
export const pathOf = (instance: string, name: string, agent = 'hooked'): string =>
  `${AGENTS_URL}/agents/${agent}/${instance}/hooks/${name}`;

export const post = (
  url: string,
  body = 'hello',
  headers: Record<string, string> = {},
  init: RequestInit<CfProperties> = {},
): Promise<Response> => front(new Request(url, { method: 'POST', body, headers, ...init }));

/** The reasons of refusals in the gate's log since the test began. */
export const reasons = (): string[] =>
  printed.flatMap((line) => {
    const { event, reason } = line.startsWith('{') ? JSON.parse(line) : {};
    return event === 'auth_failure' || event === 'gate_refused' ? [reason] : [];
  });

let second = 0;
/** A second of its own for a test, in which the log is not bounded; in seconds. */
export function newSecond(): number {
  second += 1;
  vi.setSystemTime((NOW + second) * 1000);
  return NOW + second;
}
