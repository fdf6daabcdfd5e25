import { INSTANCE_WINDOW_MS, RATE_WINDOW_MS } from '../../src/http/rate.ts';
import { recordingIn } from '../../src/mint/shard-node.ts';
import { describeRecording } from '../recording-cases.ts';
import { openFiles, rowsOf } from './folder.ts';
import { NOW } from './start-broker.ts';

describeRecording(async () => {
  const { folder, record } = await openFiles();
  const startsAt = NOW * 1000;
  let now = startsAt;
  const { write } = recordingIn(record.store, () => now);
  return {
    write: (_account, entry) => write(entry),
    startsAt,
    setClock: (ms) => {
      now = ms;
    },
    eventsOf: async (principal) => (await record.store.auditLog.list({ principal }, undefined, 200)).rows,
    counted: async () =>
      (await rowsOf(`${folder}/record.db`, 'SELECT key FROM rate_windows')).map(({ key }) => String(key)),
    minute: () => record.store.rates.purge(now - RATE_WINDOW_MS, now - INSTANCE_WINDOW_MS),
  };
});
