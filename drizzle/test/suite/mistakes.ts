import { sql } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import { grants } from '../../control/schema.ts';
import { isOutage } from '../../outage.ts';
import { type Databases, type OpenDatabases, rootMessage } from './databases.ts';
import { auditEvent, grant, NOW, secret, serviceToken } from './rows.ts';

type Mistake = readonly [what: string, said: RegExp, make: (databases: Databases) => Promise<unknown>];

const SYNTAX = sql.raw("SELEKT 'database is locked'");
const MISTAKES: readonly Mistake[] = [
  ['a syntax error', /syntax error/, ({ controlDb }) => controlDb.run(SYNTAX)],
  ['an unknown table', /no such table/, ({ controlDb }) => controlDb.run(sql`SELECT 1 FROM nowhere`)],
  [
    'an unknown table beside words of an outage',
    /no such table/,
    ({ controlDb }) => controlDb.all(sql`SELECT 'network connection lost', 'timed out' FROM nowhere`),
  ],
  [
    'an unknown table beside a value with words of an outage',
    /no such table/,
    ({ controlDb }) => controlDb.all(sql`SELECT ${'SQLITE_BUSY: overloaded'} FROM nowhere`),
  ],
  [
    'an unknown column that is called like an outage',
    /no such column/,
    ({ controlDb }) => controlDb.all(sql`SELECT grants.timeout FROM grants`),
  ],
  [
    'a syntax error at a word that is called like an outage',
    /syntax error/,
    ({ controlDb }) => controlDb.all(sql`SELECT 1 overloaded overloaded`),
  ],
  [
    'a broken constraint',
    /constraint failed/,
    async ({ controlDb }) => {
      for (let twice = 0; twice < 2; twice += 1)
        await controlDb.insert(grants).values(grant({ reason: 'internal error' }));
    },
  ],
  [
    'a broken foreign key in a batch',
    /constraint failed/i,
    ({ control }) => {
      const token = control.serviceTokens.create(serviceToken(), secret({ tokenId: 'timeout' }));
      return control.change({ ...token, event: auditEvent(), dueAt: NOW });
    },
  ],
  [
    'an empty column in a batch',
    /constraint failed/,
    ({ controlDb }) => {
      const { reason: _left, ...rest } = grant({ createdBy: 'overloaded' });
      return controlDb.batch([controlDb.insert(grants).values({ ...rest, reason: sql`NULL` })]);
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
