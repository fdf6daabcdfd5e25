import { ok } from '@agent-ticket/shared/outcome.ts';
import { OPENAPI } from '../openapi/generated.ts';
import type { Handler } from '../runtime/call.ts';

/** `GET /openapi.json`: OpenAPI 3.1, made with `npm run docs` and served as it is. The same for everybody. */
export const showOpenApi: Handler = async () =>
  ok({
    status: 200,
    headers: { 'content-type': 'application/json', 'cache-control': 'public, max-age=300' },
    stream: new Blob([OPENAPI]).stream(),
  });
