import { calculateJwkThumbprint } from 'jose';
import * as z from 'zod';
import { asking, body, type Check, header, judge, type Requirement, refusal, status } from './check.ts';
import type { Answer, Target } from './target.ts';

/** Key sets, metadata and health: documents that need no credential. */

const KEYS = '/.well-known/jwks.json';
const AUDIT_KEYS = '/.well-known/audit-jwks.json';
const HTTP = 'HTTP of the broker';

const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const Key = z.looseObject({
  kid: z.string(),
  kty: z.enum(['EC', 'OKP']),
  alg: z.enum(['ES256', 'Ed25519', 'EdDSA']),
});
const KeySet = z.object({ keys: z.array(Key).min(1) });

const everyKey =
  (about: string, holds: (key: z.infer<typeof Key>) => boolean): Requirement =>
  (answer) =>
    KeySet.parse(answer.body).keys.every(holds) ? undefined : about;

async function thumbprints(answer: Answer): Promise<string | undefined> {
  for (const key of KeySet.parse(answer.body).keys)
    if ((await calculateJwkThumbprint(key)) !== key.kid)
      return `the kid ${key.kid} is no thumbprint of its key`;
  return undefined;
}

/** RFC 8414 §3: the path of the issuer comes last. */
export function metadataAddress({ broker }: Pick<Target, 'broker'>): string {
  const { origin, pathname } = new URL(broker);
  return `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`;
}
const metadata = (target: Target, headers: Record<string, string> = {}): Promise<Answer> =>
  target.ask(metadataAddress(target), { headers });
const Metadata = z.looseObject({
  issuer: z.string(),
  jwks_uri: z.string(),
  token_endpoint: z.string(),
  revocation_endpoint: z.string(),
  introspection_endpoint: z.string(),
  grant_types_supported: z.array(z.string()),
  token_endpoint_auth_methods_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
});

export const DOCUMENTS: readonly Check[] = [
  asking('the key set is JSON with a usable key', 'RFC 7517 §5', ({ ask }) => ask(KEYS), [
    status(200),
    header('content-type', /^application\/(json|jwk-set\+json)/),
    body(KeySet),
  ]),
  asking('the key set has no private part', 'RFC 7517 §9.2', ({ ask }) => ask(KEYS), [
    body(KeySet),
    everyKey('a key has a private member', (key) => PRIVATE.every((name) => !(name in key))),
  ]),
  asking('every key names its algorithm', 'RFC 8725 §3.1', ({ ask }) => ask(KEYS), [
    body(KeySet),
    everyKey('type and algorithm of a key differ', ({ kty, alg }) => (kty === 'EC') === (alg === 'ES256')),
  ]),
  asking('no key is listed twice', 'RFC 7517 §4.5', ({ ask }) => ask(KEYS), [
    body(KeySet),
    (answer) => {
      const kids = KeySet.parse(answer.body).keys.map(({ kid }) => kid);
      return new Set(kids).size === kids.length ? undefined : 'two keys have one kid';
    },
  ]),
  {
    name: 'every key is named by its thumbprint',
    clause: 'RFC 7638 §3',
    run: async ({ ask }) => {
      const answer = await ask(KEYS);
      const text = await thumbprints(answer);
      return judge(answer, [body(KeySet), () => text]);
    },
  },
  asking('caches keep the key set for a minute at most', 'HTTP for keys', ({ ask }) => ask(KEYS), [
    header('cache-control', /\bpublic\b/),
    (answer) => {
      const age = Number(/max-age=(\d+)/.exec(answer.headers.get('cache-control') ?? '')?.[1] ?? Number.NaN);
      return age <= 60 ? undefined : `max-age is ${age}`;
    },
  ]),
  {
    name: 'a key set that did not change is answered by 304',
    clause: 'RFC 9110 §13.1.2',
    run: async ({ ask }) => {
      const etag = (await ask(KEYS)).headers.get('etag') ?? '';
      return judge(await ask(KEYS, { headers: { 'if-none-match': etag } }), [
        () => (etag === '' ? 'the key set has no ETag' : undefined),
        status(304),
        (answer) => (answer.text === '' ? undefined : 'the 304 has a body'),
      ]);
    },
  },
  asking(
    'nothing can be posted to the key set',
    'RFC 9110 §15.5.6',
    ({ ask }) => ask(KEYS, { method: 'POST' }),
    [...refusal(405, 'METHOD_NOT_ALLOWED'), header('allow', /\bGET\b/)],
  ),
  asking('the metadata name the issuer as it is configured', 'RFC 8414 §3.3', metadata, [
    status(200),
    body(Metadata),
  ]),
  {
    name: 'the issuer of the metadata is the one that was asked',
    clause: 'RFC 8414 §3.3',
    run: async (target) =>
      judge(await metadata(target), [
        body(Metadata),
        (answer) => {
          const { issuer } = Metadata.parse(answer.body);
          return issuer.replace(/\/$/, '') === target.broker.replace(/\/$/, '')
            ? undefined
            : `it is ${issuer}`;
        },
      ]),
  },
  {
    name: 'the metadata do not depend on headers of the request',
    clause: 'RFC 8414 §6.2',
    run: async (target) => {
      const plainly = await metadata(target);
      const foreign = {
        'x-forwarded-host': 'probe.example',
        forwarded: 'host=probe.example',
        'x-host': 'probe.example',
      };
      return judge(await metadata(target, foreign), [
        status(200),
        ({ text }) => (text === plainly.text ? undefined : 'they differ with another X-Forwarded-Host'),
      ]);
    },
  },
  {
    name: 'every endpoint of the metadata is below the issuer',
    clause: 'RFC 8414 §2',
    run: async (target) =>
      judge(await metadata(target), [
        body(Metadata),
        (answer) => {
          const { issuer, ...others } = Metadata.parse(answer.body);
          const base = `${issuer.replace(/\/$/, '')}/`;
          const named = [
            others.jwks_uri,
            others.token_endpoint,
            others.revocation_endpoint,
            others.introspection_endpoint,
          ];
          const outside = named.find((url) => !url.startsWith(base));
          return outside === undefined ? undefined : `${outside} is not`;
        },
      ]),
  },
  {
    name: 'jwks_uri serves the key set',
    clause: 'RFC 8414 §2',
    run: async (target) => {
      const { jwks_uri: address = KEYS } = Metadata.partial().parse((await metadata(target)).body ?? {});
      const keys = await target.ask(KEYS);
      return judge(await target.ask(address), [
        status(200),
        ({ text }) => (text === keys.text ? undefined : 'it serves another set'),
      ]);
    },
  },
  asking('the metadata name both grant types', 'RFC 8693 §2.1', metadata, [
    body(
      Metadata.refine(
        ({ grant_types_supported: types }) =>
          types.includes('client_credentials') &&
          types.includes('urn:ietf:params:oauth:grant-type:token-exchange'),
      ),
    ),
  ]),
  asking('the metadata offer client authentication by Basic', 'RFC 6749 §2.3.1', metadata, [
    body(Metadata.refine((all) => all.token_endpoint_auth_methods_supported.includes('client_secret_basic'))),
  ]),
  {
    name: 'audit keys sign no tickets',
    clause: 'The export of the audit log',
    run: async ({ ask }) => {
      const kidsOf = ({ body: set }: Answer): readonly unknown[] =>
        z
          .object({ keys: z.array(z.looseObject({ kid: z.string() })) })
          .parse(set)
          .keys.map(({ kid }) => kid);
      const tickets = await ask(KEYS);
      return judge(await ask(AUDIT_KEYS), [
        status(200),
        (answer) =>
          kidsOf(answer).some((kid) => kidsOf(tickets).includes(kid)) ? 'a key is in both sets' : undefined,
      ]);
    },
  },
  asking('the OpenAPI document describes the mint', HTTP, ({ ask }) => ask('/openapi.json'), [
    status(200),
    body(
      z.looseObject({
        openapi: z.string().startsWith('3.1'),
        paths: z.looseObject({ '/tickets': z.looseObject({ post: z.looseObject({}) }) }),
      }),
    ),
  ]),
  asking('the process says that it is alive', HTTP, ({ ask }) => ask('/healthz'), [
    status(200),
    body(z.looseObject({ status: z.literal('ok') })),
  ]),
  asking('the broker says that it is ready', HTTP, ({ ask }) => ask('/readyz'), [
    status(200),
    body(z.looseObject({ status: z.literal('ready') })),
  ]),
  asking(
    'an unknown address is not found',
    HTTP,
    ({ ask }) => ask('/probe/nowhere'),
    refusal(404, 'NOT_FOUND'),
  ),
  asking('the operator’s routes need a credential', HTTP, ({ ask }) => ask('/admin/keys'), [
    ...refusal(401, 'UNAUTHORIZED'),
    header('www-authenticate', /Bearer/),
  ]),
  {
    name: 'two answers have different request ids',
    clause: HTTP,
    run: async ({ ask }) => {
      const ids = [await ask('/healthz'), await ask('/healthz')].map((each) =>
        each.headers.get('x-request-id'),
      );
      return judge(ids, [
        ([one, two]) => (one && two && one !== two ? undefined : `they are ${one} and ${two}`),
      ]);
    },
  },
];
