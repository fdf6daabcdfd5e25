import { err, ok } from '@agent-ticket/shared/outcome.ts';
import type { Handler } from '../runtime/call.ts';

/**
 * What the console's page may do (CSP Level 3): load its own files and call this broker, and nothing else. No page frames
 * it, so that none can lay its buttons under a person's pointer.
 */
export const CONSOLE_POLICY = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  connectSrc: ["'self'"],
  formAction: ["'none'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
  requireTrustedTypesFor: ["'script'"],
  trustedTypes: ["'none'"],
};

/** Names that the console's files have: no other is asked of a store, which may read it as a path. */
const FILE = /^[a-z][\w-]{0,63}\.(js|css|svg)$/;

const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/**
 * `GET /console` and `GET /console/:file`: the operator's console, the same for everybody. It holds no secret: what it
 * shows it asks of the API, as the person who is signed in. 404 where this broker has none.
 */
export const showConsole: Handler = async ({ params, request, ports }) => {
  const { file: name } = params;
  const type = name === undefined ? 'text/html; charset=utf-8' : TYPES[FILE.exec(name)?.[1] ?? ''];
  const found = type === undefined ? undefined : await ports.consoleFile?.(name ?? 'console.html');
  if (type === undefined || found === undefined) return err('route_unknown');
  // Asked for anew each time, and answered with a 304: after a deploy no part is older than another.
  const etag = found.headers.get('etag');
  const headers = { 'content-type': type, 'cache-control': 'no-cache', ...(etag !== null && { etag }) };
  if (etag !== null && request.headers.get('if-none-match') === etag) return ok({ status: 304, headers });
  return ok({ status: 200, headers, ...(found.body !== null && { stream: found.body }) });
};
