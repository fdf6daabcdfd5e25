import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { idOf, type OperatorBroker, type Person, ROOT, startOperatorBroker } from './operator-broker.ts';

/**
 * A right that is taken away is sent to the agent worker before its operator has the answer, and without delay: no
 * timer ends on the way. How long that takes is measured by nobody here.
 */

let broker: OperatorBroker;
beforeAll(async () => {
  broker = await startOperatorBroker();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const ALICE: Person = { sub: 'alice' };
type Act = () => Promise<Response>;

const ways: [string, () => Promise<Act>][] = [
  [
    'a lock',
    async () => () =>
      broker.call(ROOT, 'POST', '/admin/locks', {
        target: { kind: 'principal', id: idOf(ALICE) },
        reason: 'test',
      }),
  ],
  [
    'the end of a session',
    async () => {
      const id = await broker.openSession({ principal: idOf(ALICE) });
      return () => broker.call(ROOT, 'DELETE', `/admin/agents/sessions/${id}`);
    },
  ],
  [
    'the end of a grant',
    async () => {
      await broker.grant(idOf(ALICE), 'counter', 'admin');
      const list = await broker.call(ROOT, 'GET', '/admin/grants?agent=counter');
      const [, id] = /"id":"([^"]+)"/.exec(await list.text()) ?? [];
      return () => broker.call(ROOT, 'DELETE', `/admin/grants/${id}`);
    },
  ],
  [
    'the end of a service token',
    async () => {
      const { id } = await broker.makeServiceToken();
      return () => broker.call(ROOT, 'DELETE', `/admin/service-tokens/${id}`);
    },
  ],
];

describe('before its answer leaves', () => {
  it.each(ways)('%s is with the agent worker, and nothing waited on the way', async (_what, prepare) => {
    const act = await prepare();
    const before = (await broker.commandsSent()).length;
    const fired: number[] = [];
    const set = globalThis.setTimeout;
    vi.spyOn(globalThis, 'setTimeout').mockImplementation((work, ms = 0) =>
      set(() => {
        if (ms > 0) fired.push(ms);
        work();
      }, ms),
    );
    const answer = await act();
    expect([200, 201]).toContain(answer.status);
    expect((await broker.commandsSent()).length).toBe(before + 1);
    // Deadlines are set, and none of them is met.
    expect(fired).toEqual([]);
  });
});
