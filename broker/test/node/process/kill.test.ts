import { PATIENCE_MS } from '@agent-ticket/shared/test/patience.ts';
import { expect, it } from 'vitest';
import * as z from 'zod';
import { eventsIn, mintAt, newHome, settingsIn, startBroker } from './broker-process.ts';

const Minted = z.object({ jti: z.uuid() });
/** `npm run test:long` kills more of them. */
const ROUNDS = Number(process.env.KILLS ?? 5);
const CALLERS = 20;
/** A start of the broker takes seconds on a busy machine. */
const LONG = { timeout: ROUNDS * PATIENCE_MS };

it(
  'a process that is killed at any moment leaves the event of every ticket that it answered',
  LONG,
  async () => {
    const { folder, token } = await newHome({ tier: 'admin' });
    const answered: string[] = [];
    for (let round = 1; round <= ROUNDS; round += 1) {
      const broker = await startBroker(settingsIn(folder));
      const enough = answered.length + 10 * round;
      const caller = async (): Promise<void> => {
        for (;;) {
          const answer = await mintAt(broker.url, token).catch(() => undefined);
          // No process answers any more. A busy machine may refuse a mint for a while; the client retries.
          if (answer === undefined) return;
          const body: unknown = await answer.json().catch(() => undefined);
          if (answer.status !== 201 || body === undefined) continue;
          answered.push(Minted.parse(body).jti);
          if (answered.length >= enough) broker.signal('SIGKILL');
        }
      };
      await Promise.all(Array.from({ length: CALLERS }, caller));
      expect(await broker.ended).toEqual([null, 'SIGKILL']);

      const issued = (await eventsIn(folder)).filter(({ type }) => type === 'ticket.issued');
      const known = new Set(issued.map(({ jti }) => jti));
      expect(answered.filter((jti) => !known.has(jti))).toEqual([]);
      expect(known.size).toBe(issued.length);
    }
    expect(new Set(answered).size).toBeGreaterThanOrEqual(10 * ROUNDS);
  },
);
