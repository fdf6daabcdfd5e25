import { DrizzleQueryError } from 'drizzle-orm/errors';

/** Errors of a driver or a network that name no database: it is out of reach, overloaded or too slow. */
const OUTAGE =
  /network connection lost|overloaded|reset because|caused object to be reset|and was reset|transient issue|client disconnected|internal error|timed? ?out|fetch failed|econnrefused|econnreset|enotfound|eai_again|http status \d\d\d|database is locked|disk is full|unable to open/i;

/**
 * A statement that was refused or not understood, by the codes of SQLite, D1 and Hrana: the message goes on to quote names
 * and SQL, which prove nothing.
 */
const MISTAKE =
  /sqlite_(error|constraint|mismatch|misuse|range|toobig|auth)|d1_(type|exec)_error|wrong number of parameter bindings|^(sql_|args_)/i;

/** A libSQL server has no code of its own for these. */
const MISTAKE_AT_SERVER =
  /sqlite_unknown: sqlite error: (no such (table|column): |table \S+ has no column named )/i;

/** D1 is busy with an export or import of its own, which it may report under the code of a mistake. */
const OCCUPIED = /^ ?d1_error: currently processing/i;

/** Errors that a database reported, whatever it reported: D1's prefix, codes of SQLite and of the libSQL client. */
const FROM_DATABASE = /^ ?d1_|sqlite_[a-z]|^(hrana_|server_error|client_closed|transaction_|stream_)/i;

/** Errors of JavaScript itself, which a driver also throws for a value that it cannot send. */
const isOfLanguage = (error: Error): boolean =>
  [TypeError, RangeError, SyntaxError, ReferenceError].some((type) => error instanceof type);

/** A table or column that this version needs and the database does not have. */
const SCHEMA_FAULT = /no such (table|column)|has no column named/i;

/** The database has not had its migrations yet: an outage, which ends when they are applied. */
export class MigrationsMissing extends Error {
  constructor(cause: unknown) {
    super('the database has no such table or column: apply its migrations', { cause });
    this.name = 'MigrationsMissing';
  }
}

export const isSchemaFault = (error: unknown): boolean =>
  [...words(error)].some(({ said }) => /sqlite_|d1_/i.test(said) && SCHEMA_FAULT.test(said));

/** Why an operator must act, where waiting does not end the outage. For the log. */
export const outageHint = (error: unknown): string | undefined =>
  [...words(error)].find(({ cause }) => cause instanceof MigrationsMissing)?.cause.message;

interface Words {
  /** Code and message. */
  readonly said: string;
  readonly cause: Error;
  /** Whether the driver threw it for a statement of drizzle. */
  readonly ofStatement: boolean;
}

/** What an error says of itself and of its causes, outermost first. */
function* words(error: unknown): Generator<Words> {
  let ofStatement = false;
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    // Drizzle's own message quotes the statement, which proves nothing.
    if (cause instanceof DrizzleQueryError) {
      ofStatement = true;
      continue;
    }
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
    yield { said: `${code} ${cause.message}`, cause, ofStatement };
    ofStatement = false;
  }
}

/**
 * Whether an error thrown by a query means that the database cannot serve now. Statements of drizzle are known to be
 * right, so whatever a database reports of one is an outage, unless it is a mistake: databases have more ways to be busy
 * than they document, and a mistake is found by a test.
 */
export function isOutage(error: unknown): boolean {
  for (const { said, cause, ofStatement } of words(error)) {
    if (cause instanceof MigrationsMissing || OCCUPIED.test(said)) return true;
    if (MISTAKE.test(said) || MISTAKE_AT_SERVER.test(said)) return false;
    // The runtime marks errors of Durable Objects that came from its own side.
    const marked =
      ('retryable' in cause && cause.retryable === true) ||
      ('overloaded' in cause && cause.overloaded === true);
    if (marked || FROM_DATABASE.test(said) || OUTAGE.test(said)) return true;
    if (ofStatement && !isOfLanguage(cause)) return true;
  }
  return false;
}

/** Whether somebody else held the lock at that moment: nothing was done, and the same may work a moment later. */
export const isBusy = (error: unknown): boolean =>
  [...words(error)].some(({ said }) => /^SQLITE_(BUSY|LOCKED)/.test(said));

/** What a database says of a value that it will never take, however often it is offered. */
const BAD_VALUE = /sqlite_(constraint|mismatch|toobig)|d1_type_error/i;

/**
 * Whether a statement was refused for its values, not for its text: a table or column that is missing may come with
 * the next migration, so that what waits for it should wait.
 */
export const isBadValue = (error: unknown): boolean =>
  [...words(error)].some(({ said }) => BAD_VALUE.test(said));
