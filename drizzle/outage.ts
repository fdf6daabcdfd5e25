import { DrizzleQueryError } from 'drizzle-orm/errors';

/**
 * Messages and codes of a database that is out of reach, overloaded, busy or full, as D1 and libSQL word them.
 * Everything else (a syntax error, a broken constraint) is a bug and must look like one.
 */
const OUTAGE =
  /network connection lost|overloaded|reset because|caused object to be reset|and was reset|transient issue|client disconnected|internal error|timed? ?out|fetch failed|econnrefused|econnreset|enotfound|eai_again|http status (5\d\d|429)|hrana_(websocket|closed)_error|sqlite_(busy|locked|full|ioerr|cantopen|readonly|corrupt|notadb)|database is locked|disk is full|unable to open/i;

/** A statement that was refused or not understood: the message goes on to quote names and SQL, which prove nothing. */
const MISTAKE = /sqlite_(error|constraint|mismatch|misuse|range|toobig)|d1_(type|exec)_error/i;

/** Whether an error thrown by a query means that the database cannot serve now. */
export function isOutage(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    // Drizzle's own message quotes the statement, which proves nothing.
    if (cause instanceof DrizzleQueryError) continue;
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
    if (MISTAKE.test(`${code} ${cause.message}`)) return false;
    // The runtime marks errors of Durable Objects that came from its own side.
    const marked =
      ('retryable' in cause && cause.retryable === true) ||
      ('overloaded' in cause && cause.overloaded === true);
    if (marked || OUTAGE.test(`${code} ${cause.message}`)) return true;
  }
  return false;
}
