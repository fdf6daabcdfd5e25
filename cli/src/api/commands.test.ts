import { describe, expect, it } from 'vitest';
import { terminalAt } from '../../test/broker.ts';
import { run } from '../run.ts';
import { duration } from './words.ts';

const RECEIPT = { closed: 2, objects: 5, unreachable: 0, pending: 0, ms: 3 };
const PARTIAL = { closed: 1, objects: 3, unreachable: 1, pending: 1, ms: 3 };
const LOCKS = '/admin/locks';
const LOCK = ['locks', 'create', 'agent:chat', '--reason', 'abuse'];
const REQUEST_ID = '6f9619ff-8b86-4d01-b42d-00c04fc964ff';

const refusal = (status: number, code: string, headers: Record<string, string> = {}) =>
  Response.json({ error: { code, message: 'not so', request_id: REQUEST_ID } }, { status, headers });

describe('a refusal says what to do, with its request id, and ends with 2:', () => {
  it.each([
    ['no credential', () => refusal(401, 'UNAUTHORIZED'), 'use another one'],
    ['no permission', () => refusal(403, 'FORBIDDEN'), 'agent-ticket me'],
    ['no permission or a lock', () => refusal(403, 'FORBIDDEN'), 'finds the cause by "agent-ticket why"'],
    ['not there', () => refusal(404, 'NOT_FOUND'), 'Check the name in the list'],
    ['another state', () => refusal(409, 'CONFLICT'), 'present state'],
    ['too often', () => refusal(429, 'RATE_LIMITED', { 'retry-after': '90' }), 'in 90 s'],
    ['away', () => refusal(503, 'UNAVAILABLE', { 'retry-after': '5' }), 'in 5 s'],
    ['a bug', () => refusal(500, 'INTERNAL'), 'log of the broker'],
    ['bad input', () => refusal(400, 'BAD_REQUEST'), '--help'],
  ])('%s', async (_what, answer, said) => {
    const at = terminalAt(answer);
    expect(await run(['me'], at.terminal)).toBe(2);
    expect(at.said).toEqual({ out: '', err: expect.stringContaining(said) });
    expect(at.said.err).toContain(`request ${REQUEST_ID}`);
    expect(at.said.err.trimEnd().split('\n')).toHaveLength(1);
    expect(at.said.err).not.toContain('s3cret');
  });

  it('for a program as JSON', async () => {
    const at = terminalAt(() => refusal(403, 'FORBIDDEN'));
    expect(await run(['me', '--json'], at.terminal)).toBe(2);
    expect(JSON.parse(at.said.err)).toMatchObject({ code: 'FORBIDDEN', status: 403, request_id: REQUEST_ID });
  });
});

it('a change whose answer is lost may have been done, and says so', async () => {
  const at = terminalAt(() => {
    throw new TypeError('fetch failed');
  });
  expect(await run(['keys', 'rotate', '--reason', 'monthly'], at.terminal)).toBe(2);
  expect(at.said.err).toContain('may have been done: look at the list before you repeat');
});

it.each([
  ['the same page again', { items: [], next_cursor: 'c' }, 'the same page again and again', 2],
  ['no list', { items: {} }, 'does not answer like a broker', 1],
])('a list that is answered with %s comes to an end', async (_what, page, said, asked) => {
  const at = terminalAt(() => Response.json(page));
  expect(await run(['locks', 'list'], at.terminal)).toBe(2);
  expect([at.said.err, at.asked.length]).toEqual([expect.stringContaining(said), asked]);
});

describe('sessions end', () => {
  const END = ['sessions', 'end', '--reason', 'a lost laptop', '--yes'];

  it.each([
    ['a person, without the sign-ins', ['--person', 'ann@people.test'], { label: 'ann@people.test' }],
    [
      'a person with the sign-ins',
      ['--person', 'auth0:people.test:ann', '--sign-out'],
      { principal: 'auth0:people.test:ann', sign_out: true },
    ],
  ])('asks for %s', async (_what, words, body) => {
    const at = terminalAt(() => Response.json({ receipt: RECEIPT }));
    expect(await run([...END, ...words], at.terminal)).toBe(0);
    expect(at.asked).toMatchObject([{ body: { ...body, reason: 'a lost laptop' } }]);
  });

  it('has no sign-ins of an agent', async () => {
    const at = terminalAt(() => Response.json({ receipt: RECEIPT }));
    expect(await run([...END, '--agent', 'chat', '--sign-out'], at.terminal)).toBe(2);
    expect([at.said.err, at.asked]).toEqual([expect.stringContaining('--sign-out is for a person'), []]);
  });
});

it('words that are wrong are said as JSON where a program reads', async () => {
  const at = terminalAt(() => Response.json({}));
  expect(await run(['keys', 'rotate', '--json'], at.terminal)).toBe(2);
  expect(JSON.parse(at.said.err)).toEqual({ error: expect.stringContaining('--reason'), code: 'USAGE' });
  expect(at.asked).toEqual([]);
});

it('an object is shown by a line for each member, and its rows by a line each', async () => {
  const calls = [
    { method: 'increment', outcome: 'success' },
    { method: 'reset', outcome: 'denied' },
  ];
  const at = terminalAt(() => Response.json({ id: 'x', ended_at: null, calls, scope: ['a', 'b'] }));
  expect(await run(['sessions', 'show', REQUEST_ID], at.terminal)).toBe(0);
  expect(at.said.out).toBe(
    [
      'id        x',
      'ended_at  -',
      'calls     increment  success',
      '          reset  denied',
      'scope     a b',
      '',
    ].join('\n'),
  );
});

it.each([
  ['a person is told to wait', true, 'No answer yet; waiting for it, up to a minute …\n'],
  ['a program is told nothing', false, ''],
])('%s', async (_what, isInteractive, said) => {
  const passed = new AbortController();
  const at = terminalAt(
    // Of a person three seconds pass before the answer.
    () =>
      new Promise((resolve) => {
        const answer = () => resolve(Response.json({}));
        if (!isInteractive || passed.signal.aborted) answer();
        else passed.signal.addEventListener('abort', answer);
      }),
    { isInteractive, wait: async () => void setImmediate(() => passed.abort()) },
  );
  expect(await run(['me'], at.terminal)).toBe(0);
  expect(at.said.err).toBe(said);
});

describe('an answer that is not of a broker is named:', () => {
  it.each([
    [
      'a sign-in page',
      () => new Response('', { status: 302, headers: { location: 'https://x' } }),
      'sign-in page',
    ],
    ['a page', () => new Response('<html>'), 'does not answer like a broker (200)'],
    ['a list', () => Response.json([]), 'does not answer like a broker'],
    [
      'an error of a proxy',
      () => new Response('bad gateway', { status: 502 }),
      'not answer like a broker (502)',
    ],
    [
      'nothing',
      () => {
        throw new TypeError('fetch failed');
      },
      'does not answer',
    ],
  ])('%s', async (_what, answer, said) => {
    const at = terminalAt(answer);
    expect(await run(['me'], at.terminal)).toBe(2);
    expect(at.said.err).toContain(said);
  });
});

it('a broker that is mounted below a path is asked there', async () => {
  const at = terminalAt(() => Response.json({}), {
    environment: { AGENT_TICKET_BROKER: 'https://app.example.com/broker/' },
  });
  expect(await run(['me'], at.terminal)).toBe(0);
  expect(at.asked.map(({ url }) => url.href)).toEqual(['https://app.example.com/broker/me']);
});

describe('a lock', () => {
  const answering = (receipt: object) => () => Response.json({ id: 'l', receipt }, { status: 201 });

  it.each([
    ['that reached every object ends with 0', RECEIPT, 0, '2 sessions closed, 5 objects reached'],
    [
      'that reached some of them ends with 1',
      PARTIAL,
      1,
      'Reached 3 of 5 objects; the broker goes on asking the others',
    ],
  ])('%s', async (_what, receipt, code, said) => {
    const at = terminalAt(answering(receipt));
    expect(await run([...LOCK, '--yes'], at.terminal)).toBe(code);
    expect(at.said.err).toContain(said);
    expect(at.asked).toMatchObject([
      {
        method: 'POST',
        url: { pathname: LOCKS },
        body: { target: { kind: 'agent', agent: 'chat' }, reason: 'abuse' },
      },
    ]);
  });

  it.each([
    ['nobody can be asked', false, undefined, 'add --yes'],
    ['a person says no', true, 'no', 'Nothing was done'],
    ['a person ends the input', true, undefined, 'Nothing was done'],
  ])('is not made where %s', async (_what, isInteractive, answer, said) => {
    const openInput = () => ({ next: async () => answer, redraw: () => {}, close: () => {} });
    const at = terminalAt(answering(RECEIPT), { isInteractive, openInput });
    expect(await run(LOCK, at.terminal)).toBe(2);
    expect(at.said.err).toContain(said);
    expect(at.asked).toEqual([]);
  });

  it('on the address of a person is none, and says where the ids are', async () => {
    const at = terminalAt(answering(RECEIPT));
    const lock = ['locks', 'create', 'principal:ann@example.com', '--reason', 'x', '--yes'];
    expect(await run(lock, at.terminal)).toBe(2);
    expect(at.said.err).toContain('principals list --label');
    expect(at.asked).toEqual([]);
  });

  it.each(['foo', 'agent:', 'session:x', 'instance:chat', 'grant:1', 'address:10.0.0.1'])(
    'on %s is no lock',
    async (target) => {
      const at = terminalAt(answering(RECEIPT));
      expect(await run(['locks', 'create', target, '--reason', 'x', '--yes'], at.terminal)).toBe(2);
      expect(at.said.err).toContain('It must be everything');
      expect(at.asked).toEqual([]);
    },
  );
});

describe('a person is ended', () => {
  const answer = () => Response.json({ target: {}, receipt: RECEIPT });
  const end = (...words: string[]) => ['sessions', 'end', ...words, '--reason', 'lost', '--yes'];

  it.each([
    ['by address', ['--person', 'ann@example.com'], { label: 'ann@example.com' }],
    ['by id', ['--person', 'auth0:t:auth0|1'], { principal: 'auth0:t:auth0|1' }],
    ['on an instance', ['--agent', 'chat', '--instance', 'a'], { agent: 'chat', instance: 'a' }],
    ['from a network', ['--ip-address', '10.0.0.1'], { ip_address: '10.0.0.1' }],
  ])('%s', async (_how, words, body) => {
    const at = terminalAt(answer);
    expect(await run(end(...words), at.terminal)).toBe(0);
    expect(at.asked.map((each) => each.body)).toEqual([{ ...body, reason: 'lost' }]);
  });

  it.each([
    [[]],
    [['--person', 'a', '--agent', 'b']],
    [['id', '--person', 'a']],
    [['--person', 'a', '--instance', 'b']],
  ])('and nobody by %j', async (words) => {
    const at = terminalAt(answer);
    expect(await run(end(...words), at.terminal)).toBe(2);
    expect(at.asked).toEqual([]);
  });
});

describe('a list', () => {
  /** 10,000 rows in pages of 200. */
  const rows = ({ url }: { readonly url: URL }) => {
    const [from, size] = [Number(url.searchParams.get('cursor') ?? 0), Number(url.searchParams.get('limit'))];
    const items = Array.from({ length: size }, (_, index) => ({ id: `id-${from + index}`, ended_at: null }));
    return Response.json({ items, next_cursor: from + size < 10_000 ? String(from + size) : null });
  };

  it('of 10,000 rows is printed whole, a page at a time', async () => {
    let longest = 0;
    const lines: string[] = [];
    const at = terminalAt(rows, {
      out: (text) => {
        longest = Math.max(longest, text.length);
        lines.push(...text.trimEnd().split('\n'));
      },
    });
    expect(await run(['sessions', 'list', '--json'], at.terminal)).toBe(0);
    expect(lines.map((line) => JSON.parse(line).id)).toEqual(
      Array.from({ length: 10_000 }, (_, n) => `id-${n}`),
    );
    expect(longest).toBeLessThan(20_000);
    expect(at.asked).toHaveLength(50);
  });

  it('asks for no page beyond the rows that are wanted', async () => {
    const at = terminalAt(rows);
    expect(await run(['sessions', 'list', '--json', '--limit', '250'], at.terminal)).toBe(0);
    expect(at.said.out.trimEnd().split('\n')).toHaveLength(250);
    expect(at.asked.map(({ url }) => url.searchParams.get('limit'))).toEqual(['200', '50']);
  });

  it('goes on after the limit of requests', async () => {
    let refused = false;
    const waits: number[] = [];
    const at = terminalAt(
      (asked) => {
        if (refused || !asked.url.searchParams.has('cursor')) return rows(asked);
        refused = true;
        return refusal(429, 'RATE_LIMITED', { 'retry-after': '7' });
      },
      { wait: async (ms) => void waits.push(ms) },
    );
    expect(await run(['sessions', 'list', '--json', '--limit', '400'], at.terminal)).toBe(0);
    expect(at.said.out.trimEnd().split('\n')).toHaveLength(400);
    expect(waits).toEqual([7_000]);
  });

  it.each([
    [[], { active: 'true' }],
    [['--at', '2h'], { at: '2023-11-14T20:13:20.000Z' }],
    [['--active', 'any', '--person', 'ann@example.com'], { label: 'ann@example.com' }],
  ])('of sessions with %j asks for these', async (words, query) => {
    const at = terminalAt(rows);
    await run(['sessions', 'list', '--limit', '1', ...words], at.terminal);
    expect(at.asked.map(({ url }) => Object.fromEntries(url.searchParams))).toEqual([
      { ...query, limit: '1' },
    ]);
  });

  it.each([
    ['90', 90],
    ['90s', 90],
    ['15m', 900],
    ['8h', 28_800],
    ['30d', 2_592_000],
  ])('%s is a duration', (text, seconds) => {
    expect(duration(text)).toBe(seconds);
  });

  it.each(['', 'x', '1x', '-1', '1.5h', 'h'])('%j is none', (text) => {
    expect(() => duration(text)).toThrow('It must be a duration');
  });

  it.each(['2h30m', '14:05', '2023-11-14', '2023-11-14T20:13:20', 'yesterday'])(
    'knows no time %s',
    async (time) => {
      const at = terminalAt(rows);
      expect(await run(['sessions', 'list', '--at', time], at.terminal)).toBe(2);
      expect(at.said.err).toContain('It must be a time');
    },
  );
});

describe('why', () => {
  const event = {
    ...{ at: '2023-11-14T22:00:00.000Z', type: 'ticket.denied', outcome: 'denied', code: 'grant_missing' },
    ...{ principal: 'auth0:t:1', agent: 'chat', instance: 'a', details: null },
  };

  it('names the reason and what to do', async () => {
    const at = terminalAt(() => Response.json({ items: [event], next_cursor: null }));
    expect(await run(['why', REQUEST_ID], at.terminal)).toBe(0);
    expect(at.said.out).toContain('refused: grant_missing');
    expect(at.said.out).toContain('grants create');
    expect(at.asked[0]?.url.searchParams.get('request_id')).toBe(REQUEST_ID);
  });

  it('of a request that the log does not have says where else to look', async () => {
    const at = terminalAt(() => Response.json({ items: [], next_cursor: null }));
    expect(await run(['why', REQUEST_ID], at.terminal)).toBe(2);
    expect(at.said.err).toContain("the broker's own log");
    for (const place of ['Workers Logs', 'journal', '.dev/workers.log']) expect(at.said.err).toContain(place);
  });

  it('says that older events are in the archive, where they are', async () => {
    const page = { items: [], next_cursor: null, archived_through: 4711 };
    const at = terminalAt(() => Response.json(page));
    expect(await run(['why', REQUEST_ID], at.terminal)).toBe(2);
    expect(at.said.err).toContain('Events up to number 4711 are in the archive');
    const list = terminalAt(() => Response.json({ ...page, items: [event] }));
    expect(await run(['audit', 'list'], list.terminal)).toBe(0);
    expect(list.said.err).toContain('Events up to number 4711 are in the archive');
    const first = terminalAt(() => Response.json({ ...page, items: [event] }));
    expect(await run(['audit', 'list', '--limit', '1'], first.terminal)).toBe(0);
    expect(first.said.err).toBe('');
  });
});
