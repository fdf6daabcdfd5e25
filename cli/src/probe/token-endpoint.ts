import * as z from 'zod';
import {
  asking,
  body,
  type Check,
  type Finding,
  header,
  isNotStored,
  judge,
  oauthError,
  skipped,
  status,
} from './check.ts';
import { type Form, postForm, type Target } from './target.ts';

/** `POST /token` with a service token as the client. */

const TYPE = 'urn:ietf:params:oauth:token-type:jwt';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

const NOBODY = {};

/** Only a service token can be an OAuth client here. */
const byClient = (check: Check): Check => ({
  ...check,
  run: (target): Promise<Finding> =>
    target.client === undefined
      ? Promise.resolve(skipped('the credential is no service token'))
      : check.run(target),
});

const granting = (
  name: string,
  clause: string,
  form: (target: Target) => Form,
  error: string,
  code = 400,
  headers?: (target: Target) => Readonly<Record<string, string>>,
): Check =>
  byClient(
    asking(
      name,
      clause,
      (target) => postForm(target, '/token', form(target), headers?.(target)),
      oauthError(code, error),
    ),
  );

const grant = ({ httpUrl }: Target, more: Readonly<Record<string, string>> = {}) => ({
  grant_type: 'client_credentials',
  resource: httpUrl,
  ...more,
});

export const TOKEN_ENDPOINT: readonly Check[] = [
  byClient({
    name: 'client credentials get a ticket for the resource',
    clause: 'RFC 6749 §4.4, RFC 8707 §2',
    run: async (target) => {
      const answer = await postForm(target, '/token', grant(target));
      if (answer.status === 200) target.written.tickets += 1;
      return judge(answer, [
        status(200),
        isNotStored,
        header('pragma', /no-cache/),
        body(
          z.strictObject({
            access_token: z.string(),
            issued_token_type: z.literal(TYPE),
            token_type: z.literal('Bearer'),
            expires_in: z.int().min(1).max(300),
            scope: z.string(),
          }),
        ),
      ]);
    },
  }),
  granting(
    'a grant without a resource is refused',
    'RFC 8707 §2',
    () => ({ grant_type: 'client_credentials' }),
    'invalid_target',
  ),
  granting(
    'a resource of another host is refused',
    'RFC 8707 §2',
    (target) => grant(target, { resource: 'https://probe.example/agents/a/b' }),
    'invalid_target',
  ),
  granting(
    'another spelling of the resource is refused',
    'RFC 8707 §2',
    (target) => grant(target, { resource: `${target.httpUrl}/../${target.good.instance}` }),
    'invalid_target',
  ),
  granting(
    'a resource with a query is refused',
    'RFC 8707 §2',
    (target) => grant(target, { resource: `${target.httpUrl}?a=b` }),
    'invalid_target',
  ),
  granting(
    'another audience is refused',
    'RFC 8693 §2.1',
    (target) => grant(target, { audience: 'https://probe.example' }),
    'invalid_target',
  ),
  granting(
    'a duplicate parameter of the form is refused',
    'RFC 6749 §3.2',
    (target) => [...Object.entries(grant(target)), ['scope', 'agent:connect'], ['scope', 'agent:connect']],
    'invalid_request',
  ),
  granting(
    'a request without a grant type is refused',
    'RFC 6749 §5.2',
    ({ httpUrl }) => ({ resource: httpUrl }),
    'invalid_request',
  ),
  granting(
    'an unknown grant type is refused',
    'RFC 6749 §5.2',
    (target) => grant(target, { grant_type: 'password' }),
    'unsupported_grant_type',
  ),
  granting(
    'an unknown scope is refused',
    'RFC 6749 §5.2',
    (target) => grant(target, { scope: 'everything' }),
    'invalid_scope',
  ),
  granting(
    'a requested type other than JWT is refused',
    'RFC 8693 §2.2.2',
    (target) => grant(target, { requested_token_type: 'urn:ietf:params:oauth:token-type:saml2' }),
    'invalid_request',
  ),
  granting(
    'a client without a secret is refused',
    'RFC 6749 §5.2',
    grant,
    'invalid_client',
    401,
    () => NOBODY,
  ),
  granting('an unknown client is refused', 'RFC 6749 §5.2', grant, 'invalid_client', 401, () => ({
    authorization: `Basic ${btoa('svc_00000000000000000000AA:atk_none')}`,
  })),
  granting(
    'a client that authenticates twice is refused',
    'RFC 6749 §2.3',
    (target) =>
      grant(target, { client_id: target.client?.id ?? '', client_secret: target.client?.secret ?? '' }),
    'invalid_request',
  ),
  granting(
    'an exchange without a subject is refused',
    'RFC 8693 §2.1',
    (target) => grant(target, { grant_type: EXCHANGE }),
    'invalid_request',
  ),
  granting(
    'a subject token that is not valid is refused',
    'RFC 8693 §2.2.2',
    (target) => grant(target, { grant_type: EXCHANGE, subject_token: 'probe', subject_token_type: TYPE }),
    'invalid_request',
  ),
  granting(
    'a subject token without its type is refused',
    'RFC 8693 §2.1',
    (target) => grant(target, { grant_type: EXCHANGE, subject_token: 'probe' }),
    'invalid_request',
  ),
  granting(
    'a ticket cannot be exchanged for another ticket',
    'RFC 8725 §3.12',
    (target) =>
      grant(target, { grant_type: EXCHANGE, subject_token: target.good.ticket, subject_token_type: TYPE }),
    'invalid_request',
  ),
  byClient(
    asking(
      'the token endpoint accepts only forms',
      'RFC 6749 §3.2',
      (target) =>
        target.ask('/token', {
          method: 'POST',
          headers: { ...target.own, 'content-type': 'application/json' },
          body: JSON.stringify(grant(target)),
        }),
      oauthError(400, 'invalid_request'),
    ),
  ),
  asking('the token endpoint refuses GET', 'RFC 6749 §3.2', ({ ask }) => ask('/token'), [
    status(405),
    header('allow', /\bPOST\b/),
  ]),
];
