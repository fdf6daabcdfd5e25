import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './admin/operator-broker.ts';
import { bodyOf, ticketIn } from './answers.ts';

let broker: OperatorBroker;
const ALICE: Person = { sub: 'alice' };
const SESSION = crypto.randomUUID();

beforeEach(async () => {
  broker = await startOperatorBroker();
});

const Page = z.object({ items: z.array(z.looseObject({ type: z.string(), seq: z.int() })) });
const read = (query: string, who: Person = ROOT) => broker.call(who, 'GET', `/admin/agents/audit?${query}`);
const events = async (query: string) => Page.parse(await bodyOf(await read(query))).items;

describe('an operator finds in the audit log', () => {
  it('why a request was refused, by the request id that the person quotes', async () => {
    const refused = await broker.call(ALICE, 'POST', '/tickets', { agent: 'hidden', instance: 'x' });
    await broker.call(ALICE, 'POST', '/tickets', { agent: 'hidden', instance: 'x' });
    const { error } = z
      .looseObject({ error: z.looseObject({ request_id: z.string() }) })
      .parse(await bodyOf(refused));
    const asked = `request_id=${error.request_id}`;
    const found = { type: 'ticket.denied', principal: idOf(ALICE), agent: 'hidden', code: 'agent_invisible' };
    expect(await events(asked)).toMatchObject([found]);
    expect(await events(asked.toUpperCase().replace('REQUEST_ID', 'request_id'))).toMatchObject([found]);
    expect(await events(`${asked}&code=locked`)).toEqual([]);
    expect(await events('code=agent_invisible')).toHaveLength(2);
  });

  it('the fate of a ticket and of a session', async () => {
    const minted = await broker.call(ALICE, 'POST', '/tickets', { agent: 'counter', instance: 'main' });
    const { jti } = await ticketIn(minted);
    await broker.openSession({});
    await broker.ports.record.deliver(
      [
        {
          event: {
            ...{ eventId: crypto.randomUUID(), at: 1, type: 'session.closed', outcome: 'success' },
            sessionId: SESSION,
          },
        },
      ],
      1,
    );
    expect(await events(`jti=${jti}`)).toMatchObject([{ type: 'ticket.issued', jti }]);
    expect(await events(`session_id=${SESSION}`)).toMatchObject([
      { type: 'session.closed', session_id: SESSION },
    ]);
  });

  it.each(['request_id=1', 'jti=x', 'session_id=', 'code=Grant%20missing'])(
    'nothing by ?%s, which is a bad request that names it',
    async (query) => {
      const answer = await read(query);
      expect([answer.status, await answer.text()]).toEqual([
        400,
        expect.stringContaining(`: ${query.split('=')[0]}`),
      ]);
    },
  );
});
