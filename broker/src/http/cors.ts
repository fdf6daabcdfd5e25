/** Which pages may read our answers (Fetch standard §3.2). An exact list; nothing from the request is echoed. */

const ALLOW = {
  'access-control-allow-methods': 'GET, POST, DELETE',
  'access-control-allow-headers':
    'authorization, content-type, cf-access-client-id, cf-access-client-secret, cf-access-jwt-assertion',
  'access-control-max-age': '600',
} as const;

const EXPOSED = 'x-request-id, retry-after, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset';

/** Answers a preflight; without the allowing headers where the origin is not listed, so that the browser refuses. */
export function preflight(origin: string | null, allowed: readonly string[], requestId: string): Response {
  const answer = new Response(null, { status: 204, headers: { 'x-request-id': requestId } });
  if (origin !== null && allowed.includes(origin)) {
    for (const [name, value] of Object.entries(ALLOW)) answer.headers.set(name, value);
  }
  return withCors(answer, origin, allowed);
}

export function withCors(answer: Response, origin: string | null, allowed: readonly string[]): Response {
  answer.headers.append('vary', 'Origin');
  const listed = allowed.find((known) => known === origin);
  if (listed === undefined) return answer;
  answer.headers.set('access-control-allow-origin', listed);
  answer.headers.set('access-control-allow-credentials', 'true');
  answer.headers.set('access-control-expose-headers', EXPOSED);
  return answer;
}
