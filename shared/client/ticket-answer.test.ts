import { expect, test } from 'vitest';
import { TICKET_MAX_BYTES } from '../src/limits.ts';
import { ticketBody } from './test-world.ts';
import { readTicketAnswer } from './ticket-answer.ts';

const VALID = ticketBody('aa.bb-_.cc', 'main');
const read = (body: unknown) => readTicketAnswer(JSON.stringify(body), 'counter', 'main');

test('a ticket, and what is needed of its answer', () => {
  expect(read(VALID)).toEqual({
    ticket: 'aa.bb-_.cc',
    expiresIn: 60,
    url: 'wss://agents.example.com/agents/counter/main?ticket=aa.bb-_.cc',
  });
});

test.for([
  ['a member that a later broker adds', { later: 1 }],
  ['the longest life', { expires_in: 300 }],
  ['plain ws, which a broker on loopback names', { url: 'ws://127.0.0.1:8788/agents/counter/main?ticket=x' }],
] as const)('takes %s', ([, change]) => {
  expect(read({ ...VALID, ...change })).toBeDefined();
});

test.for([
  ['no ticket', { ticket: undefined }],
  ['a ticket that is no text', { ticket: 1 }],
  ['a ticket of two segments', { ticket: 'a.b' }],
  ['a ticket of four segments', { ticket: 'a.b.c.d' }],
  ['a ticket with an empty segment', { ticket: 'a..c' }],
  ['a ticket with a character that no subprotocol may have', { ticket: 'a.b, x.c' }],
  ['a ticket with a line break', { ticket: 'a.b.c\n' }],
  ['a ticket that is too long', { ticket: `a.b.${'c'.repeat(TICKET_MAX_BYTES - 3)}` }],
  ['no life', { expires_in: undefined }],
  ['a life as text', { expires_in: '60' }],
  ['a broken life', { expires_in: 59.5 }],
  ['a life that is over', { expires_in: 0 }],
  ['a life that lasts too long', { expires_in: 301 }],
  ['no address', { url: undefined }],
  ['an address that is no socket’s', { url: 'https://agents.example.com/' }],
  ['an address that runs code', { url: 'javascript:alert(1)//wss://a' }],
  ['another agent', { agent: 'lobby' }],
  ['another instance', { instance: 'other' }],
] as const)('refuses %s', ([, change]) => {
  expect(read({ ...VALID, ...change })).toBeUndefined();
});

test.for(['', 'null', '1', '"a.b.c"', '[]', '{', '<html>', '{"__proto__":{"ticket":"a.b.c"}}'])(
  'refuses %s',
  (text) => {
    expect(readTicketAnswer(text, 'counter', 'main')).toBeUndefined();
  },
);
