import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test-eventually.ts';
import { expect } from 'vitest';
import { ledgerOf } from '../src/ledger/object.ts';
import { RATE_WINDOW_MS } from '../src/ledger.ts';
import { NOW, setClock } from './clock.ts';
import { describeLedger } from './ledger-cases.ts';
import { delivered, eventsWith, inLedger, ringAlarms } from './record.ts';

describeLedger(async () => ({
  ledger: ledgerOf(env.LEDGER),
  startsAt: NOW * 1000,
  setClock: (ms) => setClock(ms / 1000 - NOW),
  eventsOf: async (principal) => {
    await delivered();
    return eventsWith('user_id', principal);
  },
  counted: async () => (await inLedger('SELECT key FROM rate_windows')).map(({ key }) => String(key)),
  minute: () =>
    eventually(async () => {
      await ringAlarms();
      expect(
        await inLedger('SELECT key FROM rate_windows WHERE started_at < ?', Date.now() - RATE_WINDOW_MS),
      ).toEqual([]);
    }),
}));
