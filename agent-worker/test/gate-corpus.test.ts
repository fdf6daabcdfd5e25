import { env } from 'cloudflare:workers';
import { DELIVERIES, type Delivery } from '@agent-ticket/shared/handshake.ts';
import { describe, expect, test } from 'vitest';
import { gateWith } from './gate.ts';
import { objectIds } from './objects.ts';
import { upgrade } from './sockets.ts';
import { newInstance } from './tickets.ts';

/** The published texts that look like tickets, at the gate itself: none is one, and none is a fault of ours. */

const corpus = env.TEST_CORPUS ?? [];
/** The runtime takes no header value with other characters. */
const isHeaderText = (text: string) => /^[\t\x20-\x7e]*$/.test(text);
/** A half of a surrogate pair cannot be percent-encoded. */
const isEncodable = (text: string) => text.isWellFormed();

describe.skipIf(env.TEST_CORPUS === null)('a text of the published vectors', () => {
  test('is one of 1164', () => {
    expect(corpus).toHaveLength(401 + 83 + 139 + 26 + 515);
  });

  test.for(DELIVERIES)(
    'that comes as a ticket by %s is refused as the caller’s mistake',
    async (by: Delivery) => {
      const logged: unknown[] = [];
      const front = gateWith({ log: ({ event }) => void logged.push(event) });
      const before = await objectIds();
      const path = `/agents/counter/${newInstance()}`;
      const headers = { accept: 'application/json' };
      const statuses = new Map<number, number>();
      const texts = corpus.filter(by === 'query' ? isEncodable : isHeaderText);
      for (const text of texts) {
        const ticket = by === 'query' ? encodeURIComponent(text) : text;
        const answer = await upgrade(path, { ticket, delivery: by, front, headers });
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        await answer.body?.cancel();
      }
      expect([...statuses.keys()].filter((status) => ![400, 401].includes(status))).toEqual([]);
      expect(texts.length).toBeGreaterThan(1000);
      expect(logged.filter((event) => event === 'bug' || event === 'outage')).toEqual([]);
      expect(await objectIds()).toEqual(before);
    },
  );
});
