import { auditLogQueries } from '@agent-ticket/drizzle/record/audit-log.ts';
import { rateQueries } from '@agent-ticket/drizzle/record/rates.ts';
import { rateWindows } from '@agent-ticket/drizzle/record/schema.ts';
import { recordLedger } from '../../src/mint/ledger/record.ts';
import { RATE_WINDOW_MS } from '../../src/mint/ledger.ts';
import { describeLedger } from '../ledger-cases.ts';
import { openFiles } from './folder.ts';
import { NOW } from './stand.ts';

describeLedger(async () => {
  const { record } = await openFiles();
  const startsAt = NOW * 1000;
  let now = startsAt;
  return {
    ledger: recordLedger(record.db, () => now),
    startsAt,
    setClock: (ms) => {
      now = ms;
    },
    eventsOf: (principal) => auditLogQueries(record.db).list({ principal }, undefined, 200),
    counted: async () => (await record.db.select().from(rateWindows)).map(({ key }) => key),
    minute: () => rateQueries(record.db).purge(now - RATE_WINDOW_MS),
  };
});
