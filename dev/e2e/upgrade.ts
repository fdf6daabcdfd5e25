import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import * as z from 'zod';

/** Answers of the agent worker to an HTTP client. */

const ErrorBody = z.strictObject({
  error: z.strictObject({ code: z.string(), message: z.string(), request_id: z.string() }),
});

const httpUrl = (socketUrl: string): string => socketUrl.replace(/^ws/, 'http');

/** A plain request; `code` is the error code of the answer. */
export async function pageRequest(socketUrl: string, init: RequestInit = {}) {
  const answer = await fetch(httpUrl(socketUrl), init);
  const body: unknown = await answer.json();
  const { headers, status } = answer;
  return { status, headers, body, code: ErrorBody.parse(body).error.code };
}

/** The headers of an upgrade (RFC 6455 §4.1). */
export const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** Requests a socket as a client that prefers a status to a close. Resolves with status and error code. */
export async function askForStatus(
  socketUrl: string,
  headers: Readonly<Record<string, string>>,
): Promise<[status: number | undefined, code: string]> {
  const asking = request(httpUrl(socketUrl), {
    headers: { ...UPGRADE, accept: 'application/json', ...headers },
  });
  asking.end();
  const [answer]: [IncomingMessage] = await Promise.race([
    once(asking, 'response') as Promise<[IncomingMessage]>,
    once(asking, 'upgrade').then(() => Promise.reject(new Error('the upgrade was accepted'))),
  ]);
  return [answer.statusCode, ErrorBody.parse(await json(answer)).error.code];
}
