import { CONTROL_TYPE, type ControlCommand, controlAudience } from '@agent-ticket/shared/control.ts';
import { type Signer, signBytes } from '@agent-ticket/shared/test/tickets.ts';
import { OrderAnswer, orderRequest } from '../src/order.ts';
import { HOST, worker } from './sockets.ts';
import { AUDIENCE, ISSUER, signer } from './tickets.ts';

/** The broker's commands: as the worker gets them, and as an object gets them from the worker. */

/** A control token issued now, some claims and header members replaced. */
export async function makeCommand(
  cmd: object,
  claims: object = {},
  { by = signer, header = {} }: { by?: Signer; header?: object } = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    iss: ISSUER,
    aud: controlAudience(AUDIENCE),
    jti: crypto.randomUUID(),
    iat: now,
    exp: now + 30,
    cmd,
    before: Date.now(),
    ...claims,
  };
  return signBytes(
    by,
    JSON.stringify({ alg: by.alg, typ: CONTROL_TYPE, kid: by.kid, ...header }),
    JSON.stringify(payload),
  );
}

/** `POST /control` with a token; status and body. */
export async function command(token: string | undefined, method = 'POST') {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await worker(new Request(`${HOST}/control`, { method, headers }));
  const body: unknown = await answer.json();
  return { status: answer.status, body };
}

/** An order straight to an object; how many sockets it closed. */
export async function order(
  stub: { fetch(request: Request): Promise<Response> },
  cmd: ControlCommand,
  before = Date.now(),
): Promise<number> {
  const answer = await stub.fetch(orderRequest({ cmd, before }));
  return OrderAnswer.parse(await answer.json()).closed;
}
