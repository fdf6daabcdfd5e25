import { DrizzleQueryError } from 'drizzle-orm/errors';
import { describe, expect, it } from 'vitest';
import { isOutage, isSchemaFault, MigrationsMissing, outageHint } from '../../outage.ts';

/** What D1 says of itself, from its list of errors. */
const D1_OUTAGES = [
  'D1_ERROR: Network connection lost.',
  'D1_ERROR: D1 DB is overloaded. Requests queued for too long.',
  'D1_ERROR: D1 DB is overloaded. Too many requests queued.',
  'D1_ERROR: D1 DB reset because its code was updated.',
  'D1_ERROR: Internal error while starting up D1 DB storage caused object to be reset.',
  'D1_ERROR: Internal error in D1 DB storage caused object to be reset.',
  'D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.',
  'D1_ERROR: Cannot resolve D1 DB due to transient issue on remote node.',
  "D1_ERROR: Can't read from request stream because client disconnected.",
  "D1_ERROR: D1 DB's isolate exceeded its memory limit and was reset.",
  'D1_ERROR: D1 DB exceeded its CPU time limit and was reset.',
  'D1_ERROR: internal error; reference = 0123456789abcdef',
  'D1_ERROR: Currently processing a long-running export.',
  'D1_ERROR: Currently processing a long-running import.: SQLITE_ERROR',
  'D1_ERROR: a sentence that no version has said yet',
  'D1_ERROR: out of memory: SQLITE_NOMEM',
  'D1_ERROR: interrupted: SQLITE_INTERRUPT',
];

/** `[code, message]` as the libSQL client throws them. */
const LIBSQL_OUTAGES: readonly [code: string, message: string][] = [
  ['SQLITE_BUSY', 'SQLITE_BUSY: database is locked'],
  ['SQLITE_BUSY_SNAPSHOT', 'SQLITE_BUSY_SNAPSHOT: database is locked'],
  ['SQLITE_LOCKED', 'SQLITE_LOCKED: database table is locked'],
  ['SQLITE_FULL', 'SQLITE_FULL: database or disk is full'],
  ['SQLITE_IOERR_WRITE', 'SQLITE_IOERR_WRITE: disk I/O error'],
  ['SQLITE_CANTOPEN', 'SQLITE_CANTOPEN: unable to open database file'],
  ['SQLITE_READONLY', 'SQLITE_READONLY: attempt to write a readonly database'],
  ['SQLITE_CORRUPT', 'SQLITE_CORRUPT: database disk image is malformed'],
  ['SQLITE_NOTADB', 'SQLITE_NOTADB: file is not a database'],
  ['HRANA_WEBSOCKET_ERROR', 'HRANA_WEBSOCKET_ERROR: connect ECONNREFUSED 127.0.0.1:8080'],
  ['HRANA_WEBSOCKET_ERROR', 'HRANA_WEBSOCKET_ERROR: WebSocket was closed'],
  ['HRANA_CLOSED_ERROR', 'HRANA_CLOSED_ERROR: Stream was closed'],
  ['SERVER_ERROR', 'SERVER_ERROR: Server returned HTTP status 500'],
  ['SERVER_ERROR', 'SERVER_ERROR: Server returned HTTP status 502: <html>Bad Gateway</html>'],
  ['SERVER_ERROR', 'SERVER_ERROR: Server returned HTTP status 503'],
  ['SERVER_ERROR', 'SERVER_ERROR: Server returned HTTP status 429: slow down'],
  // The server restarted, its token has expired, or a proxy answers in its place: the statement is right.
  ['SERVER_ERROR', 'SERVER_ERROR: Server returned HTTP status 400: Received an invalid baton'],
  ['SERVER_ERROR', 'SERVER_ERROR: Server returned HTTP status 401: Unauthorized'],
  ['SERVER_ERROR', 'SERVER_ERROR: Server returned HTTP status 404'],
  ['SQLITE_NOMEM', 'SQLITE_NOMEM: out of memory'],
  ['SQLITE_PROTOCOL', 'SQLITE_PROTOCOL: locking protocol'],
  ['TRANSACTION_TIMEOUT', 'TRANSACTION_TIMEOUT: gone'],
  ['SQLITE_UNKNOWN', 'SQLITE_UNKNOWN: SQLite error: a sentence that no version has said yet'],
];

const MISTAKES: readonly [code: string | undefined, message: string][] = [
  [undefined, 'D1_ERROR: near "SELEKT": syntax error at offset 0: SQLITE_ERROR'],
  [undefined, 'D1_ERROR: no such table: grants: SQLITE_ERROR'],
  [undefined, 'D1_ERROR: too many SQL variables at offset 494: SQLITE_ERROR'],
  [undefined, 'D1_ERROR: UNIQUE constraint failed: locks.id: SQLITE_CONSTRAINT'],
  [undefined, 'D1_ERROR: no such column: timeout at offset 7: SQLITE_ERROR'],
  [undefined, 'D1_ERROR: near "overloaded": syntax error at offset 7: SQLITE_ERROR'],
  ['SQLITE_UNKNOWN', 'SQLITE_UNKNOWN: SQLite error: no such table: timeout'],
  ['SQLITE_UNKNOWN', 'SQLITE_UNKNOWN: SQLite error: table grants has no column named overloaded'],
  [undefined, "D1_TYPE_ERROR: Type 'undefined' not supported for value 'undefined'"],
  [undefined, 'D1_ERROR: Wrong number of parameter bindings for SQL query.'],
  ['SQLITE_ERROR', 'SQLITE_ERROR: near "SELEKT": syntax error'],
  ['SQLITE_ERROR', 'SQLITE_ERROR: no such column: timeout'],
  ['SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_UNIQUE: UNIQUE constraint failed: locks.id'],
  ['SQLITE_CONSTRAINT_NOTNULL', 'SQLITE_CONSTRAINT: NOT NULL constraint failed: locks.target'],
  ['SQLITE_MISMATCH', 'SQLITE_MISMATCH: datatype mismatch'],
  ['SQL_PARSE_ERROR', 'SQL_PARSE_ERROR: near "SELEKT"'],
  ['ARGS_INVALID', 'ARGS_INVALID: timeout'],
  [undefined, 'D1_ERROR: not authorized: SQLITE_AUTH'],
];

const withCode = (code: string | undefined, message: string): Error =>
  Object.assign(new Error(message), code === undefined ? {} : { code });
/** As drizzle throws it: the statement and its values in the message, what happened in the cause. */
const failedQuery = (cause: Error, statement = 'select 1', values: unknown[] = []): Error =>
  new DrizzleQueryError(statement, values, cause);

describe('an outage', () => {
  it.each(D1_OUTAGES)('is what D1 means by "%s"', (message) => {
    expect(isOutage(new Error(message))).toBe(true);
    expect(isOutage(failedQuery(new Error(message)))).toBe(true);
  });

  it.each(LIBSQL_OUTAGES)('is what libSQL means by %s in "%s"', (code, message) => {
    expect(isOutage(withCode(code, message))).toBe(true);
    expect(isOutage(failedQuery(withCode(code, message)))).toBe(true);
  });

  it('is whatever else goes wrong with a statement', () => {
    expect(isOutage(failedQuery(new Error('who knows')))).toBe(true);
    expect(isOutage(new Error('who knows'))).toBe(false);
  });

  it('is a table that is missing before anything was answered, and the operator learns why', () => {
    const fault = new Error('D1_ERROR: no such table: grants: SQLITE_ERROR');
    const missing = failedQuery(new MigrationsMissing(fault));
    expect([isSchemaFault(fault), isOutage(missing), outageHint(missing)]).toEqual([
      true,
      true,
      'the database has no such table or column: apply its migrations',
    ]);
    expect([isOutage(fault), outageHint(fault)]).toEqual([false, undefined]);
    expect(isSchemaFault(new Error('no such table: grants'))).toBe(false);
  });

  it('is known by the code alone', () => {
    expect(isOutage(withCode('SQLITE_BUSY', ''))).toBe(true);
    expect(isOutage(withCode('ECONNREFUSED', ''))).toBe(true);
  });

  it.each(['retryable', 'overloaded'])('is what a Durable Object marks as %s', (mark) => {
    expect(isOutage(Object.assign(new Error('who knows'), { [mark]: true }))).toBe(true);
    expect(isOutage(Object.assign(new Error('who knows'), { [mark]: false }))).toBe(false);
  });

  it('is found below other errors, but not without end', () => {
    const nested = (depth: number): Error =>
      depth === 0 ? new Error('fetch failed') : new Error('failed', { cause: nested(depth - 1) });
    expect(isOutage(nested(4))).toBe(true);
    expect(isOutage(failedQuery(nested(3)))).toBe(true);
    const circle = new Error('failed');
    circle.cause = circle;
    expect(isOutage(circle)).toBe(false);
  });
});

describe('a mistake', () => {
  it.each(MISTAKES)('is no outage: %s in "%s"', (code, message) => {
    expect(isOutage(withCode(code, message))).toBe(false);
    expect(isOutage(failedQuery(withCode(code, message)))).toBe(false);
  });

  it.each([
    new TypeError("Cannot read properties of undefined (reading 'kid')"),
    new RangeError('a value that the driver cannot send'),
    new Error('URL_INVALID: The URL is not in a valid format'),
  ])('is no outage: %s', (error) => {
    expect(isOutage(error)).toBe(false);
  });

  it.each([new TypeError('Unsupported type of value'), new RangeError('too big')])(
    'is no outage when the driver cannot send a value: %s',
    (error) => {
      expect(isOutage(failedQuery(error))).toBe(false);
    },
  );

  it('is no outage because of the words of its statement or its values', () => {
    const cause = withCode('SQLITE_ERROR', 'SQLITE_ERROR: no such table: nowhere');
    const words = 'Network connection lost. overloaded timeout SQLITE_BUSY database is locked fetch failed';
    expect(isOutage(failedQuery(cause, `select '${words}' from nowhere`))).toBe(false);
    expect(isOutage(failedQuery(cause, 'select ? from nowhere', [words]))).toBe(false);
    expect(isOutage(new DrizzleQueryError(`select '${words}'`, [words]))).toBe(false);
  });

  it.each([undefined, null, 'timeout', 503, { message: 'timeout' }, new Error('')])(
    'is no outage when it is no error at all, or one that says nothing: %s',
    (thrown) => {
      expect(isOutage(thrown)).toBe(false);
    },
  );
});
