import { describe, expect, it } from 'vitest';
import { EVENT_COLUMNS, SESSION_COLUMNS } from './columns.ts';
import { cut, json, plain, widthOf } from './plain-text.ts';
import { tableOf } from './table.ts';

const NOW = 1_700_000_000_000;
const ID = '3f0c1f7a-7b7e-4b8e-9f8e-0c9a3f0c1f7a';
const SESSION = {
  ...{
    id: ID,
    principal: 'auth0:tenant.example:auth0|0123456789abcdef',
    principal_label: null,
    agent: 'counter',
  },
  ...{
    instance: 'a-rather-long-name-of-an-instance',
    role: 'viewer',
    started_at: '2023-11-14T22:00:00.000Z',
  },
  ...{ ended_at: null, ip_address: '2001:db8::1' },
};
const EVENT = {
  ...{
    seq: 123456,
    at: '2023-11-14T22:00:00.000Z',
    type: 'service_token.revoked',
    code: 'permission_missing',
  },
  ...{ principal: 'access:team.cloudflareaccess.com:user:ff8d9819', agent: 'counter', instance: 'demo' },
  ip_address: '2001:db8::1',
};
const linesOf = (columns: typeof SESSION_COLUMNS, row: typeof SESSION | typeof EVENT, width?: number) =>
  tableOf(columns, width)([row], NOW).trimEnd().split('\n');

describe.each([80, 120])('a table on %i columns', (width) => {
  it.each([
    ['sessions', SESSION_COLUMNS, SESSION],
    ['events', EVENT_COLUMNS, EVENT],
  ])('of %s fits', (_what, columns, row) => {
    expect(linesOf(columns, row, width).filter((line) => widthOf(line) > width)).toEqual([]);
  });
});

it('a table shows ids whole and cuts texts off, on the narrowest terminal too', () => {
  const [, line] = linesOf(SESSION_COLUMNS, SESSION, 20);
  expect(line).toContain(ID);
  expect(line).toContain('…');
});

it('a table that no terminal shows is whole', () => {
  const [, line] = linesOf(SESSION_COLUMNS, SESSION);
  expect(line).toContain('auth0:tenant.example:auth0|0123456789abcdef');
  expect(line).toContain('2001:db8::1');
});

it('a table of events has the address of the caller where there is room for it', () => {
  expect(linesOf(EVENT_COLUMNS, EVENT, 200).join()).toContain('2001:db8::1');
  expect(linesOf(EVENT_COLUMNS, EVENT, 80).join()).not.toContain('2001:db8::1');
});

it('later pages have the columns of the first, without its titles', () => {
  const table = tableOf(SESSION_COLUMNS, 80);
  const first = table([SESSION], NOW).split('\n');
  const second = table([SESSION], NOW).split('\n');
  expect(second[0]).toBe(first[1]);
});

const ACTIVE = ['\u001b[2J', '\u009b31m', '\r', '\u0007', '\u202e', '\u2028'];

it.each(ACTIVE.map((text) => [JSON.stringify(text), text]))(
  'a text with %s changes no terminal',
  (_name, text) => {
    const dangerous = `a${text}b`;
    const agent = plain(dangerous);
    expect(agent).toMatch(/^a\ufffd/);
    const event = { ...EVENT, instance: dangerous };
    expect(linesOf(EVENT_COLUMNS, event, 200).slice(1).join('')).not.toContain(text);
    const line = json({ dangerous });
    expect(line).toMatch(/^[\u0020-\u007e]*$/);
    expect(JSON.parse(line)).toEqual({ dangerous });
  },
);

it.each([
  ['abc', 3, 'abc'],
  ['abcd', 3, 'ab…'],
  ['日本語', 6, '日本語'],
  ['日本語', 5, '日本…'],
  ['e\u0301e\u0301e\u0301', 3, 'e\u0301e\u0301e\u0301'],
])('%s is cut to %i columns as %s', (text, width, expected) => {
  expect(cut(text, width)).toBe(expected);
});

it.each([
  ['auth0:tenant|alice', 12, 'auth0:te…ice'],
  ['auth0:tenant|alice', 18, 'auth0:tenant|alice'],
  ['日本語日本語', 8, '日本…語'],
  ['abcd', 2, 'a…'],
])('%s is cut to %i columns in its middle as %s', (text, width, expected) => {
  expect(cut(text, width, true)).toBe(expected);
});
