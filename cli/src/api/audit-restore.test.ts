import { describe, expect, it } from 'vitest';
import { terminalAt } from '../../test/broker.ts';
import { run } from '../run.ts';

const [NOTED, FOUND] = ['A', 'B'].map((letter) => letter.repeat(43));
const DIFFERS = {
  state: 'ends_earlier',
  noted: { n: 9, through: 90, hash: NOTED },
  found: { n: 4, through: 40, hash: FOUND },
};
const ACCEPT = ['audit', 'accept-restore', '--reason', 'restored'];

describe('agent-ticket audit accept-restore', () => {
  it('accepts exactly what it showed', async () => {
    const bodies: unknown[] = [];
    const at = terminalAt((request) => {
      if (request.method === 'GET') return Response.json(DIFFERS);
      bodies.push(request.body);
      return Response.json({ accepted: DIFFERS.found, fault: 'ends_earlier' });
    });
    expect(await run([...ACCEPT, '--yes'], at.terminal)).toBe(0);
    expect(bodies).toEqual([
      { reason: 'restored', noted: { n: 9, hash: NOTED }, found: { n: 4, hash: FOUND } },
    ]);
  });

  it.each([
    [
      'nobody can be asked',
      DIFFERS,
      'noted was checkpoint 9, event 90, and the log ends with checkpoint 4, event 40',
    ],
    ['the log is the noted one', { ...DIFFERS, state: 'agrees' }, 'There is nothing to accept'],
    ['nothing is noted', { ...DIFFERS, noted: null }, 'There is nothing to accept'],
  ])('accepts nothing where %s', async (_when, body, said) => {
    const methods: string[] = [];
    const at = terminalAt((request) => {
      methods.push(request.method);
      return Response.json(body);
    });
    expect(await run(ACCEPT, at.terminal)).toBe(2);
    expect(at.said.err).toContain(said);
    expect(methods).toEqual(['GET']);
  });
});

describe('agent-ticket audit returned', () => {
  const event = (type: string, details: object) => ({
    type,
    at: '2026-11-29T10:00:00.000Z',
    agent: 'counter',
    details,
  });
  const answer =
    (live: { readonly grants: readonly string[]; readonly tokens: readonly string[] }) =>
    ({ url }: { readonly url: URL }) => {
      const { pathname, searchParams } = url;
      const items = (rows: readonly object[]) => Response.json({ items: rows, next_cursor: null });
      if (pathname === '/admin/service-tokens') return items(live.tokens.map((id) => ({ id })));
      if (pathname === '/admin/grants')
        return items(live.grants.filter(() => searchParams.get('subject') === 'a:1').map((id) => ({ id })));
      return items(
        searchParams.get('type') === 'grant.deleted'
          ? [
              event('grant.deleted', { grant: 'g1', subject: 'a:1' }),
              event('grant.deleted', { grant: 'g2', subject: 'a:2' }),
            ]
          : [event('service_token.revoked', { service_token: 'svc_1' })],
      );
    };

  it('lists what the log ended and the broker has, and ends with 1', async () => {
    const at = terminalAt(answer({ grants: ['g1', 'g9'], tokens: ['svc_1', 'svc_2'] }));
    expect(await run(['audit', 'returned', '--from', '2d', '--json'], at.terminal)).toBe(1);
    const rows = at.said.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows).toMatchObject([
      { what: 'service token', id: 'svc_1' },
      { what: 'grant', id: 'g1', subject: 'a:1', agent: 'counter' },
    ]);
  });

  it('ends with 0 where nothing has returned', async () => {
    const at = terminalAt(answer({ grants: ['g9'], tokens: ['svc_2'] }));
    expect(await run(['audit', 'returned'], at.terminal)).toBe(0);
  });
});
