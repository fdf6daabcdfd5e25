import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect } from 'vitest';
import { RATE_WINDOW_MS } from '../src/http/rate.ts';
import { NOW, setClock } from './clock.ts';
import { delivered, eventsWith, inShards, recordIn, ringAlarms } from './record.ts';
import { describeRecording } from './recording-cases.ts';

describeRecording(async () => ({
  write: recordIn,
  startsAt: NOW * 1000,
  setClock: (ms) => setClock(ms / 1000 - NOW),
  eventsOf: async (principal) => {
    await delivered();
    return eventsWith('user_id', principal);
  },
  counted: async () => (await inShards('SELECT key FROM rate_windows')).map(({ key }) => String(key)),
  minute: () =>
    eventually(async () => {
      await ringAlarms();
      // Marks of instance names stay for an hour.
      const over = "SELECT key FROM rate_windows WHERE started_at < ? AND key NOT LIKE 'instance:%'";
      expect(await inShards(over, Date.now() - RATE_WINDOW_MS)).toEqual([]);
    }),
}));
