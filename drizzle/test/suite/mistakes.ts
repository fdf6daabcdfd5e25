import { sql } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import { locks } from '../../control/schema.ts';
import { serviceTokenQueries } from '../../control/service-tokens.ts';
import { isOutage } from '../../outage.ts';
import { type Databases, type OpenDatabases, rootMessage } from './databases.ts';
import { insertLock, lock, secret, serviceToken } from './rows.ts';

type Mistake = readonly [what: string, said: RegExp, make: (databases: Databases) => Promise<unknown>];

const SYNTAX = sql.raw("SELEKT 'database is locked'");
const MISTAKES: readonly Mistake[] = [
  ['a syntax error', /syntax error/, ({ control }) => control.run(SYNTAX)],
  ['an unknown table', /no such table/, ({ control }) => control.run(sql`SELECT 1 FROM nowhere`)],
  [
    'an unknown table beside words of an outage',
    /no such table/,
    ({ control }) => control.all(sql`SELECT 'network connection lost', 'timed out' FROM nowhere`),
  ],
  [
    'an unknown table beside a value with words of an outage',
    /no such table/,
    ({ control }) => control.all(sql`SELECT ${'SQLITE_BUSY: overloaded'} FROM nowhere`),
  ],
  [
    'an unknown column that is called like an outage',
    /no such column/,
    ({ control }) => control.all(sql`SELECT grants.timeout FROM grants`),
  ],
  [
    'a syntax error at a word that is called like an outage',
    /syntax error/,
    ({ control }) => control.all(sql`SELECT 1 overloaded overloaded`),
  ],
  [
    'a broken constraint',
    /constraint failed/,
    async ({ control }) => {
      await insertLock(control, lock({ reason: 'internal error' }));
      await insertLock(control, lock({ reason: 'internal error' }));
    },
  ],
  [
    'a broken foreign key in a batch',
    /constraint failed/i,
    ({ control }) => serviceTokenQueries(control).insert(serviceToken(), secret({ tokenId: 'timeout' })),
  ],
  [
    'an empty column in a batch',
    /constraint failed/,
    ({ control }) => {
      const { reason: _left, ...rest } = lock({ createdBy: 'overloaded' });
      return control.batch([control.insert(locks).values({ ...rest, reason: sql`NULL` })]);
    },
  ],
];

export function describeMistakes(open: OpenDatabases): void {
  describe('mistakes', () => {
    let databases: Databases;
    beforeEach(async () => {
      databases = await open();
    });

    it.each(MISTAKES)('does not take %s for an outage', async (_what, said, make) => {
      const error = await make(databases).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(rootMessage(error)).toMatch(said);
      expect(isOutage(error)).toBe(false);
    });
  });
}
