import { DrizzleQueryError } from 'drizzle-orm/errors';

/**
 * Messages and codes of a database that is out of reach, overloaded, busy or full, as D1 and libSQL word them.
 * Everything else (a syntax error, a broken constraint) is a bug and must look like one.
 */
const OUTAGE =
  /network connection lost|overloaded|reset because|caused object to be reset|and was reset|transient issue|client disconnected|internal error|timed? ?out|fetch failed|econnrefused|econnreset|enotfound|eai_again|http status (5\d\d|429)|hrana_(websocket|closed)_error|sqlite_(busy|locked|full|ioerr|cantopen|readonly|corrupt|notadb)|database is locked|disk is full|unable to open/i;

/** A statement that was refused or not understood: the message goes on to quote names and SQL, which prove nothing. */
const MISTAKE = /sqlite_(error|constraint|mismatch|misuse|range|toobig)|d1_(type|exec)_error/i;

/** What an error says of itself and of its causes: its code and its message, outermost first. */
function* words(error: unknown): Generator<{ readonly said: string; readonly cause: Error }> {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    // Drizzle's own message quotes the statement, which proves nothing.
    if (cause instanceof DrizzleQueryError) continue;
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
    yield { said: `${code} ${cause.message}`, cause };
  }
}

/** Whether an error thrown by a query means that the database cannot serve now. */
export function isOutage(error: unknown): boolean {
  for (const { said, cause } of words(error)) {
    if (MISTAKE.test(said)) return false;
    // The runtime marks errors of Durable Objects that came from its own side.
    const marked =
      ('retryable' in cause && cause.retryable === true) ||
      ('overloaded' in cause && cause.overloaded === true);
    if (marked || OUTAGE.test(said)) return true;
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
