import { BODY_MAX_BYTES } from '@agent-ticket/shared/limits.ts';
import { asking, type Check, header, refusal, status } from './check.ts';
import { postTicket } from './target.ts';

/** Requests that `POST /tickets` must refuse. Each request has one fault. */

const CALLERS = 'HTTP for callers';
const HTTP = 'HTTP of the broker';

/** A request with one fault. */
const invalid = (what: string, members: object | string, clause = CALLERS): Check =>
  asking(`${what} is refused`, clause, (target) => postTicket(target, members), refusal(400, 'BAD_REQUEST'));

const CANARY = 'probe-canary-7d1f';

/** The header pair of Access names a client beside `Authorization`. */
const SECOND = { 'cf-access-client-id': 'svc_probe', 'cf-access-client-secret': 'atk_probe' };
const UNKNOWN = `Basic ${btoa('svc_00000000000000000000AA:atk_none')}`;

export const MINT_INPUTS: readonly Check[] = [
  ...[0, 4, 301, 30.5, -60, '60', null, true].map((value) =>
    invalid(`expires_in of ${JSON.stringify(value)}`, { expires_in: value }),
  ),
  ...[
    ['an empty instance', ''],
    ['an instance with a slash', 'a/b'],
    ['an instance that is a path', '..'],
    ['an instance with a space', 'a b'],
    ['an instance of 129 characters', 'a'.repeat(129)],
    ['an instance outside of ASCII', 'naïve'],
    ['the instance sub', 'sub'],
    ['an instance that is a list', ['main']],
  ].map(([what, instance]) => invalid(String(what), { instance })),
  invalid('an agent that is not a slug', { agent: 'No Slug' }),
  invalid('a missing agent', { agent: undefined }),
  invalid('an invalid scope', { scope: 'everything' }),
  invalid('an unknown transport', { transport: 'carrier-pigeon' }),
  invalid('an unknown member', { admin: true }),
  invalid('a role in the request', { role: 'owner' }),
  invalid('a duplicate member', '{"agent":"a","agent":"b"}', HTTP),
  invalid('a body that is not JSON', '{"agent":', HTTP),
  invalid('a list instead of an object', '[]', HTTP),
  invalid('an empty body', '', HTTP),
  asking(
    'a body that is not UTF-8 is refused',
    HTTP,
    (target) => postTicket(target, new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])),
    [status(400, 415)],
  ),
  ...['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'].map((type) =>
    asking(
      `a body of ${type} is refused`,
      'RFC 9110 §15.5.16',
      (target) => postTicket(target, {}, { 'content-type': type }),
      refusal(415, 'UNSUPPORTED_MEDIA_TYPE'),
    ),
  ),
  asking(
    'a compressed body is refused',
    HTTP,
    (target) => postTicket(target, {}, { 'content-encoding': 'gzip' }),
    refusal(415, 'UNSUPPORTED_MEDIA_TYPE'),
  ),
  asking(
    'a body over 16 KiB is refused',
    HTTP,
    (target) => postTicket(target, { scope: 'a'.repeat(BODY_MAX_BYTES) }),
    refusal(413, 'PAYLOAD_TOO_LARGE'),
  ),
  asking(
    'an unknown parameter of the query is refused',
    HTTP,
    (target) => postTicket(target, {}, {}, '/tickets?agent=counter'),
    refusal(400, 'BAD_REQUEST'),
  ),
  asking('a GET is refused', 'RFC 9110 §15.5.6', ({ ask, own }) => ask('/tickets', { headers: own }), [
    ...refusal(405, 'METHOD_NOT_ALLOWED'),
    header('allow', /\bPOST\b/),
  ]),
  asking(
    'an unknown agent is not found',
    CALLERS,
    (target) => postTicket(target, { agent: 'probe-no-such-agent' }),
    refusal(404, 'NOT_FOUND'),
  ),
  asking(
    'a refusal repeats nothing of the request',
    HTTP,
    (target) => postTicket(target, { [CANARY]: CANARY, agent: CANARY }),
    [
      status(400, 404),
      ({ text }) => (text.includes(`"${CANARY}"`) ? 'the value is in the answer' : undefined),
    ],
  ),
  asking(
    'an unknown client gets no ticket, and does not become anonymous',
    CALLERS,
    (target) => postTicket(target, {}, { authorization: UNKNOWN }),
    [...refusal(401, 'UNAUTHORIZED'), header('www-authenticate', /Basic/)],
  ),
  asking(
    'a bearer token that is none gets no ticket',
    'RFC 6750 §3.1',
    (target) => postTicket(target, {}, { authorization: 'Bearer probe' }),
    refusal(401, 'UNAUTHORIZED'),
  ),
  asking(
    'a ticket is no credential for another ticket',
    'RFC 8725 §3.12',
    (target) => postTicket(target, {}, { authorization: `Bearer ${target.good.ticket}` }),
    refusal(401, 'UNAUTHORIZED'),
  ),
  asking(
    'another scheme of authentication gets no ticket',
    'RFC 9110 §11.6.2',
    (target) => postTicket(target, {}, { authorization: 'Digest username="probe"' }),
    refusal(401, 'UNAUTHORIZED'),
  ),
  asking(
    'two credentials at once are refused',
    CALLERS,
    (target) => postTicket(target, {}, SECOND),
    refusal(400, 'BAD_REQUEST'),
  ),
];
