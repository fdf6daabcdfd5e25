import { inject } from 'vitest';
import * as z from 'zod';

/** The answer of `POST /tickets`, every member of it. */
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
  protocols: z.tuple([z.literal('agent-ticket.v1'), z.string()]),
});
export type TicketAnswer = z.infer<typeof TicketAnswer>;

const TicketHeader = z.strictObject({ alg: z.string(), typ: z.literal('agent-ticket+jwt'), kid: z.string() });

type Headers = Readonly<Record<string, string>>;

const basic = ({ clientId, clientSecret }: { clientId: string; clientSecret: string }): Headers => ({
  authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}`,
});

/** The seeded service token: admin of every counter. */
export const asService = (): Headers => basic(inject('stack').serviceToken);
/** The seeded admin token: all permissions. */
export const asOperator = (): Headers => basic(inject('stack').adminToken);

/** The header that the edge of Cloudflare Access adds for a user or service. */
export async function throughAccess(who: { email: string } | { commonName: string }): Promise<Headers> {
  const answer = await post(inject('stack').access.tokenUrl, {}, who);
  const { token } = z.object({ token: z.string() }).parse(await answer.json());
  return { 'cf-access-jwt-assertion': token };
}

export const post = (url: string, headers: Headers, body: unknown): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

export interface TicketRequest {
  readonly agent?: string;
  readonly instance: string;
  readonly scope?: string;
  readonly expires_in?: number;
  readonly transport?: 'websocket' | 'http';
}

/** `POST /tickets` for a counter by default, as the seeded service by default. */
export const askForTicket = (request: TicketRequest, headers: Headers = asService()): Promise<Response> =>
  post(`${inject('stack').broker}/tickets`, headers, { agent: 'counter', ...request });

export async function mint(request: TicketRequest, headers?: Headers): Promise<TicketAnswer> {
  const answer = await askForTicket(request, headers);
  const body: unknown = await answer.json();
  if (answer.status !== 201) throw new Error(`no ticket: ${answer.status} ${JSON.stringify(body)}`);
  return TicketAnswer.parse(body);
}

/** The key that signed a ticket. */
export const kidOf = (ticket: string): string => decodeHeader(ticket).kid;

export const decodeHeader = (ticket: string) => TicketHeader.parse(decodeSegment(ticket, 0));
export const decodePayload = (ticket: string) =>
  z.looseObject({ sub: z.string(), agent: z.string(), instance: z.string() }).parse(decodeSegment(ticket, 1));

const decodeSegment = (ticket: string, index: number): unknown =>
  JSON.parse(Buffer.from(ticket.split('.')[index] ?? '', 'base64url').toString());
