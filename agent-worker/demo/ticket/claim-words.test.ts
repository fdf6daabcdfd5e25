import { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import { expect, test } from 'vitest';
import { headerRows, mainRows, otherRows } from './claim-words.ts';
import { CLAIMS } from './test-claims.ts';

const ticketWith = (more: object) => ({
  text: 'a.b.c',
  header: { alg: 'ES256', typ: 'agent-ticket+jwt', kid: 'k1' },
  claims: { ...CLAIMS, ...more } as never,
});

const claimRows = (ticket: Parameters<typeof mainRows>[0]) => [...mainRows(ticket), ...otherRows(ticket)];

test('every claim that a ticket can have is explained', () => {
  const all = Object.fromEntries(Object.keys(TicketClaims.shape).map((name) => [name, 'x']));
  const rows = claimRows(ticketWith(all));
  expect(rows.map(({ name }) => name).toSorted()).toEqual(Object.keys(TicketClaims.shape).toSorted());
  expect(rows.filter(({ meaning }) => meaning === '')).toEqual([]);
});

test('the header is explained', () => {
  expect(headerRows(ticketWith({})).map(({ name, value }) => [name, value])).toEqual([
    ['alg', 'ES256'],
    ['typ', 'agent-ticket+jwt'],
    ['kid', 'k1'],
  ]);
});

test('dates are told as times too, and what is not known is shown as it stands', () => {
  const rows = claimRows(ticketWith({ cnf: { jkt: 'x' } }));
  expect(rows.find(({ name }) => name === 'exp')?.value).toMatch(/ \(1700000060\)$/);
  expect(rows.at(-1)).toEqual({ name: 'cnf', value: '{"jkt":"x"}', meaning: '' });
});
