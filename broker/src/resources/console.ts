import { err, ok } from '@agent-ticket/shared/outcome.ts';
import type { Handler } from '../runtime/call.ts';

/**
 * The policy of the console's page (CSP Level 3). The page may load its own files and call this broker, and nothing
 * else. No page may frame it, which prevents clickjacking.
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

/** Names of the console's files. Another name is not passed to the store, which may read it as a path. */
const FILE = /^[a-z][\w-]{0,63}\.(js|css|svg)$/;

const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/**
 * `GET /console` and `GET /console/:file`: the operator's console, the same for everybody. The page holds no secret:
 * it calls the API with the sign-in of the person. 404 where this broker has no console.
 */
export const showConsole: Handler = async ({ params, request, ports }) => {
  const { file: name } = params;
  const type = name === undefined ? 'text/html; charset=utf-8' : TYPES[FILE.exec(name)?.[1] ?? ''];
  const found = type === undefined ? undefined : await ports.consoleFile?.(name ?? 'console.html');
  if (type === undefined || found === undefined) return err('route_unknown');
  // The browser revalidates each file, so that after a deploy no file is older than another.
  const etag = found.headers.get('etag');
  const headers = { 'content-type': type, 'cache-control': 'no-cache', ...(etag !== null && { etag }) };
  if (etag !== null && request.headers.get('if-none-match') === etag) return ok({ status: 304, headers });
  return ok({ status: 200, headers, ...(found.body !== null && { stream: found.body }) });
};
