import { TICKET_MAX_BYTES } from '@agent-ticket/shared/limits.ts';
import { TICKET_TYPE, TicketClaims } from '@agent-ticket/shared/ticket.ts';
import { compactVerify, importJWK } from 'jose';
import * as z from 'zod';
import { decode, partsOf } from './bad-tickets.ts';
import {
  asking,
  body,
  type Check,
  fault,
  header,
  isNotStored,
  judge,
  type Requirement,
  refusal,
  skipped,
  status,
} from './check.ts';
import { postTicket, type Target } from './target.ts';

/** The answer of `POST /tickets`, and the ticket in it. */

const CALLERS = 'HTTP for callers';

const isMinted: readonly Requirement[] = [
  status(201),
  isNotStored,
  header('x-request-id', /^[0-9a-f-]{36}$/),
  body(
    z.strictObject({
      ticket: z.string().max(TICKET_MAX_BYTES),
      expires_in: z.int().min(1).max(300),
      expires_at: z.iso.datetime(),
      jti: z.uuid(),
      agent: z.string(),
      instance: z.string(),
      scope: z.string(),
      role: z.string(),
      session_expires_at: z.iso.datetime(),
      url: z.string(),
      protocols: z.tuple([z.literal('agent-ticket.v1'), z.string()]),
    }),
  ),
];

const claimsOf = ({ good }: Target) => TicketClaims.safeParse(decode(partsOf(good.ticket)[1]));

/** A check of the good ticket's claims, which needs no request. */
const claiming = (
  name: string,
  clause: string,
  holds: (claims: z.infer<typeof TicketClaims>, target: Target) => boolean,
): Check => ({
  name,
  clause,
  run: async (target) => {
    const claims = claimsOf(target);
    if (!claims.success) return fault('the claims are not those of a ticket');
    return holds(claims.data, target) ? undefined : fault(`the claims say otherwise`);
  },
});

export const MINT: readonly Check[] = [
  {
    name: 'a ticket is answered with all its members, and not to be stored',
    clause: CALLERS,
    run: async (target) => {
      const answer = await postTicket(target, {});
      if (answer.status === 201) target.written.tickets += 1;
      return judge(answer, isMinted);
    },
  },
  {
    name: 'the header of a ticket has only type, key id and algorithm',
    clause: 'The ticket',
    run: async ({ good }) => {
      const head = z.strictObject({
        alg: z.enum(['ES256', 'Ed25519', 'EdDSA']),
        typ: z.literal(TICKET_TYPE),
        kid: z.string(),
      });
      return head.safeParse(decode(partsOf(good.ticket)[0])).success ? undefined : fault('it differs');
    },
  },
  {
    name: 'the published key verifies the signature of a ticket',
    clause: 'RFC 7515 §5.2',
    run: async ({ good }) => {
      const { alg = 'ES256' } = good.published;
      if (good.published.kty === 'none') return fault('its key is not in the key set');
      const key = await importJWK(good.published, alg);
      const verified = await compactVerify(good.ticket, key, { algorithms: [alg] }).catch(() => undefined);
      return verified === undefined ? fault('it does not') : undefined;
    },
  },
  claiming('a ticket has exactly the documented claims', 'The ticket', () => true),
  claiming(
    'the issuer of a ticket is the broker',
    'RFC 7519 §4.1.1',
    ({ iss }, { broker }) => iss === broker,
  ),
  claiming(
    'a ticket lives for 300 seconds at most',
    'The ticket',
    ({ iat, exp }) => exp > iat && exp - iat <= 300,
  ),
  claiming('a ticket is not valid before it was made', 'RFC 7519 §4.1.5', ({ nbf, iat }) => nbf >= iat - 60),
  claiming(
    'a ticket names one agent and one instance',
    'RFC 8725 §3.9',
    ({ agent, instance }, { good }) => agent === good.agent && instance === good.instance,
  ),
  claiming(
    'a session ends within a day',
    'The ticket',
    ({ session_expiry: end, iat }) => end > iat && end - iat <= 86_400,
  ),
  {
    name: 'the subject of a ticket is the principal of the credential',
    clause: CALLERS,
    run: async (target) => {
      const claims = claimsOf(target);
      return judge(await target.ask('/me', { headers: target.own }), [
        status(200),
        isNotStored,
        body(z.looseObject({ principal: z.literal(claims.data?.sub ?? '') })),
      ]);
    },
  },
  {
    name: 'a scope narrows a ticket',
    clause: 'RFC 6749 §3.3',
    run: async (target) => {
      const { scope } = await target.mint({ scope: 'agent:connect' });
      return scope === 'agent:connect' ? undefined : fault(`it has ${scope}`);
    },
  },
  {
    name: 'a scope beyond the role is refused',
    clause: 'RFC 6749 §3.3',
    run: async (target) => {
      const beyond = ['agent:state:write', 'agent:rpc:*', 'agent:tool:*'].find(
        (each) => !target.scope.includes(each),
      );
      if (beyond === undefined) return skipped('the role has every scope');
      return judge(await postTicket(target, { scope: beyond }), refusal(403, 'FORBIDDEN'));
    },
  },
  {
    name: 'expires_in shortens the life of a ticket',
    clause: CALLERS,
    run: async (target) => {
      const answer = await postTicket(target, { expires_in: 5 });
      if (answer.status === 201) target.written.tickets += 1;
      return judge(answer, [...isMinted, body(z.looseObject({ expires_in: z.literal(5) }))]);
    },
  },
  {
    name: 'a batch answers each request in its place',
    clause: CALLERS,
    run: async (target) => {
      const { agent, instance } = target.good;
      const requests = [
        { agent, instance },
        { agent: 'probe-no-such-agent', instance },
      ];
      const answer = await postTicket(target, JSON.stringify({ requests }), {}, '/tickets/batch');
      if (answer.status === 200) target.written.tickets += 1;
      const refused = z.looseObject({ error: z.looseObject({ code: z.literal('NOT_FOUND') }) });
      return judge(answer, [
        status(200),
        isNotStored,
        body(z.strictObject({ answers: z.tuple([z.looseObject({ ticket: z.string() }), refused]) })),
      ]);
    },
  },
  asking(
    'a batch of 21 is refused',
    CALLERS,
    (target) => {
      const { agent, instance } = target.good;
      const requests = Array.from({ length: 21 }, () => ({ agent, instance }));
      return postTicket(target, JSON.stringify({ requests }), {}, '/tickets/batch');
    },
    refusal(400, 'BAD_REQUEST'),
  ),
  asking(
    'a caller can ask for the decision without a ticket',
    CALLERS,
    (target) => postTicket(target, {}, {}, '/explain'),
    [status(200), body(z.looseObject({ allowed: z.literal(true) }))],
  ),
  asking('callers list their sessions', CALLERS, ({ ask, own }) => ask('/sessions', { headers: own }), [
    status(200),
    isNotStored,
    body(z.looseObject({ items: z.array(z.unknown()), next_cursor: z.string().nullable() })),
  ]),
  ...[
    ['a page of another origin reads no answer of the mint', 'POST'],
    ['a preflight of another origin is granted nothing', 'OPTIONS'],
  ].map(([name = '', method = '']) =>
    asking(
      name,
      'Fetch §3.3',
      ({ ask, good, own }) =>
        ask('/tickets', {
          method,
          headers: {
            ...(method === 'POST' && own),
            'content-type': 'application/json',
            origin: 'https://probe.example',
          },
          ...(method === 'POST' && { body: JSON.stringify({ agent: good.agent, scope: 'none' }) }),
        }),
      [
        header('access-control-allow-origin', undefined),
        header('access-control-allow-credentials', undefined),
        header('vary', /\bOrigin\b/i),
      ],
    ),
  ),
];
