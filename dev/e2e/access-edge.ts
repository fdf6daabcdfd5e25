import { text } from 'node:stream/consumers';
import { listenOnLoopback } from 'agent-ticket/src/identity-provider/http.ts';
import { inject, onTestFinished } from 'vitest';
import * as z from 'zod';
import { post } from './broker.ts';

/**
 * Plays the edge of Cloudflare Access for service tokens: removes the two headers of the credential and
 * adds an assertion. It accepts any secret, and answers 401 without one. It stops when the test ends.
 */
export async function openAccessEdge(): Promise<string> {
  const { broker, access } = inject('stack');
  const server = await listenOnLoopback(0, async (request, response) => {
    const { 'cf-access-client-id': commonName, 'cf-access-client-secret': secret } = request.headers;
    const body = await text(request);
    if (typeof commonName !== 'string' || secret === undefined) {
      response.writeHead(401).end();
      return;
    }
    const made = await post(access.tokenUrl, {}, { commonName });
    const { token } = z.object({ token: z.string() }).parse(await made.json());
    const { method = 'GET', url = '/' } = request;
    const answer = await fetch(new URL(url, broker), {
      method,
      headers: { 'content-type': 'application/json', 'cf-access-jwt-assertion': token },
      ...(method === 'GET' ? {} : { body }),
    });
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
    response.end(await answer.text());
  });
  onTestFinished(() => server.close());
  return server.url;
}
