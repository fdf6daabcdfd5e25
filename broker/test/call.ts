import { exports } from 'cloudflare:workers';
import { expect } from 'vitest';
import * as z from 'zod';
import { secret } from './canaries.ts';
import { checkAnswer } from './openapi.ts';

/** A client of the broker, seen from outside: requests and answers. */

export const HOST = 'https://broker.test';

/** What answers a request: the worker as it ships, unless a test composes another broker. */
export type Front = (request: Request) => Response | Promise<Response>;
export const worker: Front = (request) => exports.default.fetch(request);

export interface CallInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent as JSON, with its content type. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: BodyInit;
  /** The caller's address as the platform says it. */
  readonly from?: string;
  readonly front?: Front;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export const requestIdOf = ({ headers }: Reply): string | null => headers.get('x-request-id');

let addresses = 0;

/** An address that no other test calls from, so that nobody meets another's limit. */
export function newAddress(): string {
  addresses += 1;
  return `10.${addresses >> 16}.${(addresses >> 8) & 255}.${addresses & 255}`;
}

export function requestTo(path: string, init: CallInit = {}): Request<unknown, IncomingRequestCfProperties> {
  const headers = new Headers({ 'cf-connecting-ip': init.from ?? newAddress() });
  if (init.json !== undefined) headers.set('content-type', 'application/json');
  for (const [name, value] of Object.entries(init.headers ?? {})) headers.set(name, value);
  const body = init.json === undefined ? init.body : JSON.stringify(init.json);
  const method = init.method ?? (body === undefined ? 'GET' : 'POST');
  return new Request<unknown, IncomingRequestCfProperties>(`${HOST}${path}`, {
    method,
    headers,
    // A redirect is an answer; the runner would follow it into this very worker.
    redirect: 'manual',
    ...(body === undefined ? {} : { body }),
  });
}

export async function call(path: string, init: CallInit = {}): Promise<Reply> {
  const request = requestTo(path, init);
  const answer = await (init.front ?? worker)(request);
  const reply = { status: answer.status, headers: answer.headers, text: await answer.text() };
  const said = { ...reply, contentType: answer.headers.get('content-type') };
  if (request.method !== 'HEAD')
    checkAnswer({ method: request.method, path: new URL(request.url).pathname }, said);
  return reply;
}

/** What a browser asks before it lets a page of this origin send JSON. */
export const preflight = (origin: string, path = '/tickets', init: CallInit = {}): Promise<Reply> =>
  call(path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    },
    ...init,
  });

export const COUNTER = { agent: 'counter', instance: 'default' };
export const LOBBY = { agent: 'lobby', instance: 'main' };

/** An instance that no other test touches. */
export const newInstance = (): string => `room-${crypto.randomUUID()}`;

/** Asks for a ticket, by default for the counter. */
export const mint = (
  headers: Readonly<Record<string, string>> | undefined,
  request: unknown = COUNTER,
  init: Omit<CallInit, 'headers' | 'json'> = {},
): Promise<Reply> => call('/tickets', { ...init, headers, json: request });

/** The answer of `POST /tickets`: these members and no others. */
const TicketAnswer = z.strictObject({
  ticket: z.string(),
  expires_in: z.int(),
  expires_at: z.iso.datetime(),
  jti: z.uuid(),
  agent: z.string(),
  instance: z.string(),
  scope: z.string(),
  role: z.string(),
  session_expires_at: z.iso.datetime(),
  url: z.url(),
  protocols: z.tuple([z.string(), z.string()]),
});
export type TicketAnswer = z.infer<typeof TicketAnswer>;

/** Reads the answer that carries a ticket; fails on any other, naming what came instead. */
export function ticketOf(reply: Reply): TicketAnswer {
  if (reply.status !== 201) throw new Error(`no ticket but ${reply.status} ${reply.text}`);
  const answer = TicketAnswer.parse(JSON.parse(reply.text));
  secret(answer.ticket);
  secret(answer.ticket.slice(answer.ticket.lastIndexOf('.') + 1));
  return answer;
}

const ErrorAnswer = z.strictObject({
  error: z.strictObject({ code: z.string(), message: z.string(), request_id: z.uuid() }),
});

/** Reads a refusal: status, code and text, and nothing else in the body. */
export function refusalOf(reply: Reply): { status: number; code: string; message: string } {
  const { error } = ErrorAnswer.parse(JSON.parse(reply.text));
  if (error.request_id !== reply.headers.get('x-request-id'))
    throw new Error('the body names another request than the header');
  return { status: reply.status, code: error.code, message: error.message };
}

const Figures = z.strictObject({
  error: z.unknown(),
  mint: z.boolean(),
  verify: z.boolean(),
  record: z.boolean(),
  events_waiting: z.int(),
  agent_events_waiting: z.int(),
  agent_objects_waiting: z.int(),
  waiting_age: z.int().nullable(),
  changes_waiting: z.int().optional(),
  checkpoint_age: z.int().nullable().optional(),
  archive_overdue: z.int().nullable().optional(),
  audit_seal: z.string().nullable().optional(),
  keys_revoked_in_record: z.int().optional(),
  agents_in_rollout: z.int(),
  workers_differing: z.int().optional(),
  workers_unanswered: z.int().optional(),
  key_sets_unusable: z.array(z.string()),
});

/** A refusal of `/readyz` without the figures that it must contain. */
export function withoutFigures(reply: Reply): Reply {
  const { error } = Figures.parse(JSON.parse(reply.text));
  return { ...reply, text: JSON.stringify({ error }) };
}

/** Status and code of a refusal in one word, for tables; of anything else the status. */
export const refusal = (reply: Reply): string => {
  if (reply.status < 400) return String(reply.status);
  const { status, code } = refusalOf(reply);
  return `${status} ${code}`;
};

/** What holds of every refusal. */
export function expectRefusal(reply: Reply, expected: string): { message: string } {
  const { message } = refusalOf(reply);
  expect(refusal(reply)).toBe(expected);
  expect(reply.headers.get('content-type')).toMatch(/^application\/json/);
  expect(reply.headers.get('cache-control')).toBe('no-store');
  expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  return { message };
}
