import { env } from 'cloudflare:workers';
import { createRefusalTally } from '@agent-ticket/shared/refusal-tally.ts';
import { expect, test, vi } from 'vitest';
import { gateWith } from './gate.ts';
import { objectIds } from './objects.ts';
import { ask, carry, HOST } from './sockets.ts';
import { makeTicket, NOW, newInstance, unknownSigner } from './tickets.ts';

const rows = async (): Promise<unknown> => {
  const tables = ['audit_events', 'agent_sessions', 'agent_invocations', 'revocation_copies'];
  const counts = await env.RECORD.batch(
    tables.map((name) => env.RECORD.prepare(`SELECT count(*) AS n FROM ${name}`)),
  );
  return counts.map(({ results }) => results);
};

test('thousands of bad tickets buy no row and no object, and are counted by reason, agent and minute', async () => {
  const lines: { reason: string }[] = [];
  const front = gateWith({ tally: createRefusalTally((line) => lines.push(line)) });
  const before = [await rows(), await objectIds()];
  const instance = newInstance();
  const good = await makeTicket({ instance });
  const bad: Readonly<Record<string, string>> = {
    ticket_key_unknown: await makeTicket({ instance }, { by: unknownSigner }),
    ticket_signature_invalid: `${good.slice(0, good.lastIndexOf('.'))}.${'A'.repeat(86)}`,
    ticket_audience_wrong: await makeTicket({ instance, aud: 'elsewhere' }),
    ticket_malformed: 'not.a.ticket',
  };
  const each = 750;
  for (let n = 0; n < each; n += 1) {
    const answers = await Promise.all(
      Object.values(bad).map((ticket, way) =>
        front(
          way % 2 === 0
            ? new Request(`${HOST}/agents/counter/${instance}-${n}`, {
                headers: {
                  upgrade: 'websocket',
                  accept: 'application/json',
                  ...carry(ticket, 'subprotocol').headers,
                },
              })
            : new Request(`${HOST}/agents/counter/${instance}-${n}`, {
                headers: carry(ticket, 'authorization').headers,
              }),
        ),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
  }
  expect([await rows(), await objectIds()]).toEqual(before);
  expect(lines).toEqual([]);

  vi.setSystemTime((NOW + 60) * 1000);
  await ask('/agents/counter/room-1', { front });
  const minute = new Date(NOW * 1000 - ((NOW * 1000) % 60_000)).toISOString();
  expect(lines.toSorted((a, b) => a.reason.localeCompare(b.reason))).toEqual(
    Object.keys(bad)
      .toSorted()
      .map((reason) => ({ event: 'refusals', minute, reason, agent: 'counter', count: each })),
  );
});
