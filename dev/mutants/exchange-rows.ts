import { inNode, type Mutant, of } from './mutant.ts';

/** Conditions of the exchange of tokens, and of grants. */

const EXCHANGE_TESTS = [inNode('token/exchange')];
const ISSUER_TESTS = ['foreign/issuers', 'workload/tokens', 'token/exchange'].map(inNode);

export const EXCHANGE_MUTANTS: readonly Mutant[] = [
  ...of('broker/src/resources/token.ts', EXCHANGE_TESTS, [
    ["  if (client?.ok === false) return refusedAt('client', client);\n", ''],
    ['actor !== undefined && (await hasSignedOut(actor.value, call))', 'false'],
    ['client === undefined ? who.value : besideClient(who.value, client.value)', 'who.value'],
    ['...capped(who, holder),', '...who,'],
    ["token-type:access_token', ['auth0']]", "token-type:access_token', ['auth0', 'access']]"],
    ["token-type:id_token', ['oidc']]", "token-type:id_token', ['oidc', 'auth0']]"],
  ]),
  ...of(
    'broker/src/resources/token.ts',
    [inNode('token/client-credentials')],
    [
      ['requested !== undefined && requested !== TICKET_TOKEN_TYPE', 'false'],
      ['audience !== undefined && audience !== worker?.audience', 'false'],
      [' || resource !== known)', ')'],
    ],
  ),
  ...of('broker/src/credentials/delegation.ts', EXCHANGE_TESTS, [
    ['if (actor.act !== undefined) return err(', 'if (false) return err('],
    ['named.data.sub === actor.upstream?.sub &&', ''],
    ['(named.data.iss ?? subject.principal.issuer) === actor.principal.issuer;', 'true;'],
    ['const MayAct = z.strictObject(', 'const MayAct = z.object('],
    ["  if (!fits(act)) return err('delegation_too_deep');\n", ''],
    ['actors.length <= MAX_ACTORS &&', ''],
    [" && actors.join('').length <= MAX_ACTOR_CHARACTERS", ''],
    ['Math.min(...ends)', 'Math.max(...ends)'],
    ['return ok(capped({ ...subject, act }, actor));', 'return ok({ ...subject, act });'],
    ['(iss !== undefined && iss !== issuer)', 'false'],
  ]),
  ...of(
    'broker/src/resources/grants.ts',
    [inNode('admin/above-own-properties')],
    [
      ['if (!coversRole(right.value, role)) return err(', 'if (false) return err('],
      ["held.value.role === 'owner' ? ok(held.value) : refused", 'ok(held.value)'],
    ],
  ),
  ...of('broker/src/credentials/foreign-jwt.ts', ISSUER_TESTS, [
    ['  audience: [...audiences],\n', ''],
    ['maxTokenAge: found.issuer.maxAgeSeconds ?? Number.MAX_SAFE_INTEGER,', ''],
    ['({ issuer }) => issuer.issuer === iss', '() => true'],
  ]),
];
