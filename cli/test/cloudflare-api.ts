import { once } from 'node:events';
import { createServer } from 'node:http';
import { parseJson } from '@agent-ticket/shared/parse-json.ts';

/** What the real wrangler asked of the API, in its order. */
interface Asked {
  readonly call: string;
  readonly body: string;
}

export interface ApiStandIn {
  readonly url: string;
  readonly asked: readonly Asked[];
  close(): Promise<void>;
}

export const ACCOUNT_ID = 'a'.repeat(32);
export const DATABASE_ID = '11111111-1111-1111-1111-111111111111';
export const VERSION_ID = '22222222-2222-2222-2222-222222222222';

type Answer = { readonly result: unknown } | { readonly code: number; readonly message: string };

const page = { page: 1, per_page: 50, count: 1, total_count: 1, total_pages: 1 };
const NO_WORKER = { code: 10007, message: 'This Worker does not exist on your account.' };

const WORKER = '/accounts/[^/]+/workers/scripts/shop-broker';
const VERSION = {
  id: VERSION_ID,
  number: 1,
  annotations: { 'workers/tag': 'at-0123456789abcdef' },
  metadata: { created_on: '2026-01-01T00:00:00Z', author_email: 'a@shop.test', source: 'api' },
  resources: { bindings: [], script: { etag: 'e', handlers: ['fetch'] }, script_runtime: {} },
  startup_time_ms: 1,
};

/** The part of Cloudflare's API that a deployment uses: an account with the worker `shop-broker`, and `other` nowhere. */
const ROUTES: readonly (readonly [RegExp, (body: string) => Answer])[] = [
  [/^GET \/user\/tokens\/verify/, () => ({ result: { id: 't', status: 'active' } })],
  [/^GET \/user$/, () => ({ result: { id: 'u', email: 'a@shop.test' } })],
  [/^GET \/memberships/, () => ({ result: [{ id: 'm', account: { id: ACCOUNT_ID, name: 'Shop' } }] })],
  [/^GET \/accounts\?/, () => ({ result: [{ id: ACCOUNT_ID, name: 'Shop' }] })],
  [
    /^GET .*\/d1\/database\?/,
    () => ({ result: [{ uuid: DATABASE_ID, name: 'shop-control', version: 'production' }] }),
  ],
  [
    /^POST .*\/d1\/database$/,
    (body) =>
      body.includes('taken')
        ? { code: 7502, message: 'database already exists' }
        : body.includes('full')
          ? { code: 7406, message: 'too many databases' }
          : { result: { uuid: 'u', name: 'new' } },
  ],
  [
    /^POST .*\/query$/,
    (body) =>
      body.includes('CREATE TABLE broken')
        ? { code: 7500, message: 'table broken already exists: SQLITE_ERROR' }
        : {
            result: [
              { results: body.includes('made') ? [{ made: 1 }] : [], success: true, meta: { duration: 1 } },
            ],
          },
  ],
  [new RegExp(`^GET ${WORKER}/secrets`), () => ({ result: [{ name: 'KEK', type: 'secret_text' }] })],
  [new RegExp(`^PATCH ${WORKER}/secrets-bulk`), () => ({ result: [] })],
  [
    new RegExp(`^GET ${WORKER}/deployments`),
    () => ({
      result: {
        deployments: [
          {
            id: 'd',
            source: 'api',
            strategy: 'percentage',
            versions: [{ version_id: VERSION_ID, percentage: 100 }],
            created_on: '2026-01-01T00:00:00Z',
          },
        ],
      },
    }),
  ],
  [new RegExp(`^POST ${WORKER}/deployments`), () => ({ result: { id: 'd' } })],
  [new RegExp(`^(GET|POST) ${WORKER}/versions`), () => ({ result: VERSION })],
  [
    /^GET .*\/workers\/services\/shop-broker/,
    () => ({
      result: {
        id: 's',
        default_environment: { environment: 'production', script: { last_deployed_from: 'wrangler' } },
      },
    }),
  ],
  [
    /^(GET|PATCH) .*\/workers\/workers\/shop-broker$/,
    () => ({
      result: { id: 'w', name: 'shop-broker', subdomain: { enabled: false, previews_enabled: false } },
    }),
  ],
  [new RegExp(`^GET ${WORKER}/settings`), () => ({ result: { bindings: [], tags: [] } })],
  [new RegExp(`^PATCH ${WORKER}/script-settings`), () => ({ result: {} })],
  [
    /^(GET|POST) .*\/subdomain$/,
    () => ({ result: { subdomain: 'shop', enabled: false, previews_enabled: false } }),
  ],
  [
    /^POST .*\/domains\/changeset/,
    () => ({ result: { added: [], removed: [], updated: [], conflicting: [] } }),
  ],
  [/^PUT .*\/domains\/records/, () => ({ result: [] })],
  [/^GET \/zones\?/, () => ({ result: [{ id: 'z', name: 'shop.test' }] })],
  [/^GET .*\/workers\/scripts\/other\//, () => NO_WORKER],
  [/^DELETE .*\/workers\/services\/shop-broker/, () => ({ result: null })],
  [/^GET .*\/storage\/kv\/namespaces/, () => ({ result: [] })],
];

/** Starts it on a free port of 127.0.0.1. `CLOUDFLARE_API_BASE_URL` leads wrangler to its address. */
export async function startApi(): Promise<ApiStandIn> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const call = `${request.method} ${request.url}`;
    asked.push({ call, body });
    const answer = ROUTES.find(([route]) => route.test(call))?.[1](body) ?? {
      code: 7000,
      message: `No route for ${call}`,
    };
    const isGood = 'result' in answer;
    response.writeHead(isGood ? 200 : answer.code === 10_000 ? 403 : 400, {
      'content-type': 'application/json',
    });
    response.end(
      JSON.stringify({
        success: isGood,
        errors: isGood ? [] : [answer],
        messages: [],
        result: isGood ? answer.result : null,
        ...(isGood && Array.isArray(answer.result) && { result_info: page }),
      }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    asked,
    async close() {
      server.close();
      await once(server, 'close');
    },
  };
}

/** The metadata of an upload, which is a form. */
export const metadataIn = (body: string): unknown =>
  parseJson(/name="metadata"\r\n\r\n(.*?)\r\n--/s.exec(body)?.[1] ?? '');
