import { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import { expect, test } from 'vitest';
import { announcementBetween, decodeTicket, findTicket, rowsOf, ticketTime } from './ticket-panel.ts';

/** The claims that every ticket has. */
const CLAIMS = {
  sub: 'token:1',
  jti: '7ec7f6bf-2f3b-4b6f-8474-aa15a55caaa6',
  iat: 1_700_000_000,
  exp: 1_700_000_060,
  agent: 'counter',
  instance: 'demo',
  scope: 'agent:connect',
  role: 'viewer',
  tier: 'pro',
  session_expiry: 1_700_003_600,
} as const;

const part = (value: unknown): string =>
  btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(value))))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
const made = (claims: unknown): string => `${part({ alg: 'ES256' })}.${part(claims)}.c2lnbmF0dXJl`;
const TICKET = made(CLAIMS);

test('a ticket is decoded, alone or inside the whole answer of the broker', () => {
  const read = { ok: true, value: { text: TICKET, header: { alg: 'ES256' }, claims: CLAIMS } };
  expect(decodeTicket(TICKET)).toEqual(read);
  expect(findTicket(`\n ${TICKET} `)).toEqual(read);
  expect(findTicket(JSON.stringify({ ticket: TICKET, expires_in: 60 }, null, 2))).toEqual(read);
});

test('claims in any language are decoded', () => {
  const found = decodeTicket(made({ ...CLAIMS, sub: 'auth0:tenant:日本' }));
  expect(found.ok && found.value.claims.sub).toBe('auth0:tenant:日本');
});

test.for([
  ['nothing', '  ', 'Paste the ticket first'],
  ['half an answer', '{"ticket":"ey', 'Copy all of it'],
  ['an answer without a ticket', '{"jti":"x"}', 'no ticket in that answer'],
  ['a refusal', '{"error":{"code":"UNAUTHORIZED","message":"a valid credential is needed"}}', 'UNAUTHORIZED'],
  ['two parts', 'a.b', 'three parts'],
  ['parts that are not base64url of JSON', 'a.b.c', 'three parts'],
  ['bytes that are not UTF-8', `${part({})}._w.c2ln`, 'three parts'],
  ['a list for claims', `${part({})}.${part([])}.c2ln`, 'three parts'],
  ['a ticket with a claim missing', made({ ...CLAIMS, agent: undefined }), 'no ticket of this broker'],
  ['a ticket with a date that is none', made({ ...CLAIMS, exp: '1' }), 'no ticket of this broker'],
  ['a ticket with other characters behind it', `${TICKET}!`, 'three parts'],
] as const)('%s is explained', ([, pasted, error]) => {
  expect(findTicket(pasted)).toEqual({ ok: false, error: expect.stringContaining(error) });
});

const ticketWith = (more: object) => ({
  text: 'a.b.c',
  header: { alg: 'ES256', typ: 'agent-ticket+jwt', kid: 'k1' },
  claims: { ...CLAIMS, ...more } as never,
});

const claimRows = (ticket: ReturnType<typeof ticketWith>) => {
  const { main, other } = rowsOf(ticket);
  return [...main, ...other];
};

test('every claim that a ticket can have is explained', () => {
  const all = Object.fromEntries(Object.keys(TicketClaims.shape).map((name) => [name, 'x']));
  const rows = claimRows(ticketWith(all));
  expect(rows.map(({ name }) => name).toSorted()).toEqual(Object.keys(TicketClaims.shape).toSorted());
  expect(rows.filter(({ meaning }) => meaning === '')).toEqual([]);
});

test('the header is explained', () => {
  expect(rowsOf(ticketWith({})).header.map(({ name, value }) => [name, value])).toEqual([
    ['alg', 'ES256'],
    ['typ', 'agent-ticket+jwt'],
    ['kid', 'k1'],
  ]);
});

test('dates are shown as times too, and unknown claims without an explanation', () => {
  const rows = claimRows(ticketWith({ cnf: { jkt: 'x' } }));
  expect(rows.find(({ name }) => name === 'exp')?.value).toMatch(/ \(1700000060\)$/);
  expect(rows.at(-1)).toEqual({ name: 'cnf', value: '{"jkt":"x"}', meaning: '' });
});

const IAT = 1_700_000_000;
const TIMES = { iat: IAT, exp: IAT + 60 };

test.for([
  [IAT, 'Expires in 60 seconds', 1],
  [IAT + 30, 'Expires in 30 seconds', 0.5],
  [IAT + 58.2, 'Expires in 2 seconds', 0.03],
  [IAT + 59.5, 'Expires in 1 second', 0.008],
  [IAT + 60, 'Expired', 0],
  [IAT + 1000, 'Expired', 0],
  [IAT - 20, 'Expires in 80 seconds', 1],
] as const)('at %d the page says "%s"', ([now, text, left]) => {
  const time = ticketTime(TIMES, now);
  expect(time.text).toBe(text);
  expect(time.left).toBeCloseTo(left);
  expect(time.expired).toBe(text === 'Expired');
});

test('half a minute, ten seconds and the expiry are announced once each', () => {
  const announced: number[] = [];
  for (let now = IAT; now < IAT + 70; now += 0.5) {
    const seconds = announcementBetween(TIMES.exp, now - 0.5, now);
    if (seconds !== undefined) announced.push(seconds);
  }
  expect(announced).toEqual([30, 10, 0]);
});
