import * as z from 'zod';
import { flipped, partsOf, withTicket } from './bad-tickets.ts';
import {
  asking,
  body,
  type Check,
  closedWith,
  fault,
  header,
  isNotStored,
  judge,
  oauthError,
  status,
} from './check.ts';
import { type Minted, postForm, type Target } from './target.ts';

/** `POST /introspect` and `POST /revoke`. */

const NOBODY = {};

/** Invalid tokens. Introspection must give the same answer for each, so that it does not reveal the fault. */
const UNKNOWN: readonly (readonly [string, (target: Target) => string])[] = [
  ['a text that is no ticket', () => 'probe'],
  [
    'an altered ticket',
    ({ good }) => {
      const [head, payload, signature] = partsOf(good.ticket);
      return `${head}.${payload}.${flipped(signature)}`;
    },
  ],
  ['a ticket of nobody', () => 'eyJhbGciOiJub25lIn0.e30.'],
];

/** The gate knows a revocation within a second. */
const KNOWN_MS = 1_500;

async function revoked(target: Target): Promise<Minted> {
  const minted = await target.mint();
  await postForm(target, '/revoke', { token: minted.ticket });
  target.written.revocations += 1;
  return minted;
}

export const TICKET_STATUS: readonly Check[] = [
  asking(
    'an own ticket is active, with its claims',
    'RFC 7662 §2.2',
    (target) => postForm(target, '/introspect', { token: target.good.ticket }),
    [
      status(200),
      isNotStored,
      body(
        z.looseObject({
          active: z.literal(true),
          token_type: z.literal('Bearer'),
          jti: z.string(),
          exp: z.int(),
          scope: z.string(),
          sub: z.string(),
        }),
      ),
    ],
  ),
  ...UNKNOWN.map(([what, token]) =>
    asking(
      `${what} is inactive, and no more is said`,
      'RFC 7662 §2.2',
      (target) => postForm(target, '/introspect', { token: token(target) }),
      [status(200), body(z.strictObject({ active: z.literal(false) }))],
    ),
  ),
  asking(
    'an introspection without a credential is refused',
    'RFC 7662 §2.1',
    (target) => postForm(target, '/introspect', { token: target.good.ticket }, NOBODY),
    [...oauthError(401, 'invalid_client'), header('www-authenticate', /Basic/)],
  ),
  asking(
    'an introspection without a token is refused',
    'RFC 7662 §2.1',
    (target) => postForm(target, '/introspect', { a: 'b' }),
    oauthError(400, 'invalid_request'),
  ),
  asking(
    'an introspection by GET is refused',
    'RFC 7662 §2.1',
    ({ ask, own }) => ask('/introspect', { headers: own }),
    [status(405)],
  ),
  asking(
    'the revocation of a text that is no ticket gets the answer of any other',
    'RFC 7009 §2.2',
    (target) => postForm(target, '/revoke', { token: 'probe' }),
    [status(200), ({ text }) => (text === '' ? undefined : 'it has a body')],
  ),
  asking(
    'a revocation without a credential is refused',
    'RFC 7009 §2.1',
    (target) => postForm(target, '/revoke', { token: target.good.ticket }, NOBODY),
    oauthError(401, 'invalid_client'),
  ),
  {
    name: 'a revoked ticket is inactive',
    clause: 'RFC 7009 §2',
    run: async (target) => {
      const { ticket } = await revoked(target);
      return judge(await postForm(target, '/introspect', { token: ticket }), [
        body(z.strictObject({ active: z.literal(false) })),
      ]);
    },
  },
  {
    name: 'a revoked ticket opens no socket',
    clause: 'RFC 7009 §2',
    run: async (target) => {
      const { ticket } = await revoked(target);
      await target.wait(KNOWN_MS);
      return judge(await target.show(withTicket(target.good, ticket)), [closedWith(4003, 'forbidden')]);
    },
  },
  {
    name: 'the session of a revoked ticket ends',
    clause: 'RFC 7009 §2',
    run: async (target) => {
      const { ticket } = await target.mint();
      const opened = await target.open(withTicket(target.good, ticket));
      if ('refused' in opened) return fault(opened.refused);
      const { socket } = opened;
      await postForm(target, '/revoke', { token: ticket });
      target.written.revocations += 1;
      const closed = await socket.closed();
      if (closed === undefined) socket.close();
      return closed?.code === 4003
        ? undefined
        : fault(closed === undefined ? 'it stays open' : `closed with ${closed.code}`);
    },
  },
];
