import { describe, expect, it } from 'vitest';
import {
  answeredProtocol,
  DELIVERIES,
  present,
  QUERY_PARAMETER,
  SUBPROTOCOL,
  stripTicket,
  takeFromRequest,
  takeFromUpgrade,
} from './handshake.ts';

const BASE = 'https://agents.example/agents/counter/room-1';

interface Sent {
  query?: string;
  protocol?: string;
  authorization?: string;
}
const request = ({ query, protocol, authorization }: Sent): [URL, Headers] => {
  const headers = new Headers();
  if (protocol !== undefined) headers.set('Sec-WebSocket-Protocol', protocol);
  if (authorization !== undefined) headers.set('Authorization', authorization);
  return [new URL(query === undefined ? BASE : `${BASE}?${query}`), headers];
};

describe('an upgrade with one ticket', () => {
  it.each<[string, Sent, string, string]>([
    ['as a subprotocol', { protocol: 'agent-ticket.v1, a.b.c' }, 'a.b.c', 'subprotocol'],
    ['as a subprotocol without a space', { protocol: 'agent-ticket.v1,a.b.c' }, 'a.b.c', 'subprotocol'],
    ['as a subprotocol before the marker', { protocol: 'a.b.c, agent-ticket.v1' }, 'a.b.c', 'subprotocol'],
    [
      'with the marker twice',
      { protocol: 'agent-ticket.v1, a.b.c, agent-ticket.v1' },
      'a.b.c',
      'subprotocol',
    ],
    ['with empty list members', { protocol: ', agent-ticket.v1,, a.b.c ,' }, 'a.b.c', 'subprotocol'],
    ['before a protocol of the app', { protocol: `${SUBPROTOCOL}, a.b.c, chat` }, 'a.b.c', 'subprotocol'],
    ['behind a protocol of the app', { protocol: `chat, ${SUBPROTOCOL}, a.b.c` }, 'a.b.c', 'subprotocol'],
    [
      'anywhere among protocols of the app, where it looks like a ticket',
      { protocol: `v1, ${SUBPROTOCOL}, v2, eyJ.b.c` },
      'eyJ.b.c',
      'subprotocol',
    ],
    ['in the query', { query: 'ticket=a.b.c' }, 'a.b.c', 'query'],
    ['in the query among others', { query: '_pk=1&ticket=a.b.c&x=2' }, 'a.b.c', 'query'],
    ['in the query under an encoded name', { query: '%74icket=a.b.c' }, 'a.b.c', 'query'],
    [
      'in the query beside the marker alone',
      { query: 'ticket=a.b.c', protocol: SUBPROTOCOL },
      'a.b.c',
      'query',
    ],
    ['in the query beside protocols of the app', { query: 'ticket=a', protocol: 'chat, v2' }, 'a', 'query'],
    ['in the query beside another scheme', { query: 'ticket=a', authorization: 'Basic b' }, 'a', 'query'],
    ['in Authorization', { authorization: 'Bearer a.b.c' }, 'a.b.c', 'authorization'],
    ['in Authorization, lower case', { authorization: 'bearer a.b.c' }, 'a.b.c', 'authorization'],
    ['in Authorization, upper case', { authorization: 'BEARER a.b.c' }, 'a.b.c', 'authorization'],
    ['in Authorization after two spaces', { authorization: 'Bearer  a.b.c' }, 'a.b.c', 'authorization'],
  ])('%s gives it up', (_name, sent, ticket, delivery) => {
    expect(takeFromUpgrade(...request(sent))).toEqual({ ok: true, value: { ticket, delivery } });
  });

  it('every way is one that an agent may allow', () => {
    expect(DELIVERIES).toEqual(['subprotocol', 'query', 'authorization']);
  });
});

describe('an upgrade without a ticket', () => {
  it.each<[string, Sent]>([
    ['nothing at all', {}],
    ['the marker alone', { protocol: SUBPROTOCOL }],
    ['protocols without the marker', { protocol: 'a.b.c, chat' }],
    ['the marker in another case', { protocol: 'Agent-Ticket.v1, a.b.c' }],
    ['the marker of another version', { protocol: 'agent-ticket.v2, a.b.c' }],
    ['an empty list', { protocol: ' , ,' }],
    ['a parameter of another name', { query: 'token=a.b.c&Ticket=a.b.c&ticket[]=a' }],
    ['another scheme', { authorization: 'Basic YTpi' }],
    ['a scheme that only starts alike', { authorization: 'BearerX a.b.c' }],
    ['a scheme alone', { authorization: 'Bearer' }],
    ['a scheme and spaces', { authorization: 'Bearer   ' }],
    ['a bare token', { authorization: 'a.b.c' }],
    ['two words after the scheme', { authorization: 'Bearer a.b.c d' }],
    ['a tab after the scheme', { authorization: 'Bearer\ta.b.c' }],
  ])('%s is ticket_missing', (_name, sent) => {
    expect(takeFromUpgrade(...request(sent))).toEqual({ ok: false, denial: { reason: 'ticket_missing' } });
  });
});

describe('an upgrade with two tickets', () => {
  it.each<[string, Sent]>([
    ['query and Authorization', { query: 'ticket=a', authorization: 'Bearer b' }],
    ['query and Authorization that agree', { query: 'ticket=a', authorization: 'Bearer a' }],
    ['query and subprotocol', { query: 'ticket=a', protocol: `${SUBPROTOCOL}, b` }],
    ['subprotocol and Authorization', { protocol: `${SUBPROTOCOL}, a`, authorization: 'Bearer b' }],
    ['all three', { query: 'ticket=a', protocol: `${SUBPROTOCOL}, a`, authorization: 'Bearer a' }],
    ['two in the query', { query: 'ticket=a&ticket=b' }],
    ['two alike in the query', { query: 'ticket=a&ticket=a' }],
    ['one of them empty', { query: 'ticket=a&ticket=' }],
    ['one under an encoded name', { query: 'ticket=a&tic%6Bet=b' }],
    ['two as subprotocols', { protocol: `${SUBPROTOCOL}, eyJ.a, eyJ.b` }],
    ['two alike as subprotocols', { protocol: `${SUBPROTOCOL}, eyJ.a, eyJ.a` }],
  ])('%s is refused, not ranked', (_name, sent) => {
    const denial = { reason: 'ticket_delivered_twice' };
    expect(takeFromUpgrade(...request(sent))).toEqual({ ok: false, denial });
  });

  it('an empty one in the query is a delivery, which the verifier then refuses', () => {
    const value = { ticket: '', delivery: 'query' };
    expect(takeFromUpgrade(...request({ query: 'ticket=' }))).toEqual({ ok: true, value });
  });

  it('two Authorization headers are no ticket', () => {
    const headers = new Headers([
      ['Authorization', 'Bearer a'],
      ['Authorization', 'Bearer b'],
    ]);
    expect(takeFromUpgrade(new URL(BASE), headers)).toMatchObject({ ok: false });
    expect(takeFromRequest(headers)).toMatchObject({ ok: false });
  });
});

describe('any other request', () => {
  it('gives up a ticket from Authorization', () => {
    const [, headers] = request({ authorization: 'Bearer a.b.c' });
    const value = { ticket: 'a.b.c', delivery: 'authorization' };
    expect(takeFromRequest(headers)).toEqual({ ok: true, value });
  });

  it.each<[string, Sent]>([
    ['the subprotocol header', { protocol: `${SUBPROTOCOL}, a.b.c` }],
    ['another scheme', { authorization: 'Basic a' }],
    ['nothing', {}],
  ])('takes none from %s', (_name, sent) => {
    expect(takeFromRequest(request(sent)[1])).toEqual({ ok: false, denial: { reason: 'ticket_missing' } });
  });
});

describe('stripping', () => {
  it.each<[string, Sent]>([
    ['query', { query: 'ticket=s3cret' }],
    ['query, many times', { query: 'ticket=s3cret&a=1&ticket=s3cret&%74icket=s3cret2' }],
    ['subprotocol', { protocol: `${SUBPROTOCOL}, s3cret` }],
    ['subprotocol without the marker', { protocol: 's3cret' }],
    ['subprotocols, of two that look like it', { protocol: `${SUBPROTOCOL}, eyJ.s3cret, eyJ.s3cret2` }],
    ['subprotocols, as a secret of a service', { protocol: `${SUBPROTOCOL}, eyJ.s3cret, atk_s3cret` }],
    ['Authorization', { authorization: 'Bearer s3cret' }],
    ['Authorization in an unknown form', { authorization: 'bearer\ts3cret s3cret' }],
    ['another scheme', { authorization: 'Basic s3cret' }],
    ['all', { query: 'ticket=s3cret', protocol: 's3cret', authorization: 's3cret' }],
  ])('removes it from %s, taken or not', (_name, sent) => {
    const [url, headers] = request(sent);
    stripTicket(url, headers);
    expect(JSON.stringify([url.href, [...headers]])).not.toContain('s3cret');
    expect(takeFromUpgrade(url, headers)).toMatchObject({ ok: false, denial: { reason: 'ticket_missing' } });
  });

  it.each<[string, Sent, string]>([
    ['beside marker and ticket', { protocol: `chat, ${SUBPROTOCOL}, s3cret, v2` }, 'chat, v2'],
    [
      'beside the marker and a ticket in the query',
      { query: 'ticket=s3cret', protocol: `${SUBPROTOCOL}, eyJ.s3cret, chat` },
      'chat',
    ],
  ])('leaves subprotocols of the app %s', (_name, sent, left) => {
    const [url, headers] = request(sent);
    stripTicket(url, headers);
    expect(headers.get('sec-websocket-protocol')).toBe(left);
  });

  it('leaves the rest as it was', () => {
    const [url, headers] = request({ query: '_pk=1&ticket=s3cret&name=a%20b' });
    headers.set('Upgrade', 'websocket');
    stripTicket(url, headers);
    expect([url.pathname, [...url.searchParams], [...headers]]).toEqual([
      '/agents/counter/room-1',
      [
        ['_pk', '1'],
        ['name', 'a b'],
      ],
      [['upgrade', 'websocket']],
    ]);
  });
});

describe('the subprotocol that is answered', () => {
  it.each<[string | undefined, string | null, string | undefined]>([
    [undefined, null, undefined],
    ['', null, undefined],
    ['agent-ticket.v1', null, SUBPROTOCOL],
    ['agent-ticket.v1, a.b.c', null, SUBPROTOCOL],
    ['agent-ticket.v1, a.b.c', 'a.b.c', SUBPROTOCOL],
    ['agent-ticket.v1, eyJ.b.c, eyJ.d.e', 'eyJ.d.e', SUBPROTOCOL],
    ['agent-ticket.v1, a.b.c, chat', null, 'chat'],
    ['agent-ticket.v1, a.b.c, v2, v1', null, 'v2'],
    ['agent-ticket.v1, a.b.c, v2, v1', 'v1', 'v1'],
    ['agent-ticket.v1, a.b.c, v2, v1', 'v3', 'v2'],
    ['chat', null, undefined],
    ['chat', 'chat', undefined],
    ['eyJ.b.c', null, undefined],
    ['eyJ.b.c, atk_secret', 'eyJ.b.c', undefined],
    ['agent-ticket.v10', null, undefined],
  ])('to %j where the agent names %j is %j', (protocol, chosen, answered) => {
    const [, headers] = request(protocol === undefined ? {} : { protocol });
    expect(answeredProtocol(headers, chosen)).toBe(answered);
  });
});

describe('the marker', () => {
  it('and a ticket are tokens that a browser lets a page send as subprotocols', () => {
    expect(`${SUBPROTOCOL} e30.e30.A-_9`).toMatch(/^[A-Za-z0-9._-]+ [A-Za-z0-9._-]+$/);
  });
});

describe('presenting', () => {
  const { url, protocols } = present(`${BASE}?_pk=1`, 'a.b.c');

  it('offers each way by itself, so that taking gives the ticket back', () => {
    expect(takeFromUpgrade(new URL(url), new Headers())).toMatchObject({
      ok: true,
      value: { ticket: 'a.b.c', delivery: 'query' },
    });
    const [, headers] = request({ protocol: protocols.join(', ') });
    expect(takeFromUpgrade(new URL(BASE), headers)).toMatchObject({
      ok: true,
      value: { ticket: 'a.b.c', delivery: 'subprotocol' },
    });
  });

  it('puts the marker first and keeps the rest of the address', () => {
    expect(protocols).toEqual(['agent-ticket.v1', 'a.b.c']);
    expect(url).toBe(`${BASE}?_pk=1&${QUERY_PARAMETER}=a.b.c`);
  });

  it('replaces a ticket that is there already', () => {
    expect(new URL(present(url, 'd.e.f').url).searchParams.getAll(QUERY_PARAMETER)).toEqual(['d.e.f']);
  });
});
