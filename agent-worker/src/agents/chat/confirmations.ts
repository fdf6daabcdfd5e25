/** A call that asks first: which tool, and with what input exactly. */
export interface AskedCall {
  readonly callId: string;
  readonly tool: string;
  /** The validated input as JSON. */
  readonly input: string;
}

/** Why an answer to a question counts for nothing. */
export type AnswerRefusal = 'approval_unasked' | 'approval_repeated' | 'approval_lapsed';

/** Nobody remembers what they were asked yesterday. */
const QUESTION_GOOD_MS = 3600_000;
/** The call follows its approval at once; one that a crash kept from running is asked about again. */
const APPROVAL_GOOD_MS = 5 * 60_000;
/** Settled questions stay for as long as a late answer deserves its exact reason. */
const SETTLED_KEPT_MS = 24 * 3600_000;

/**
 * What was asked of a person, and what they answered: the object's own record, which no frame writes. A transcript
 * proves nothing, since clients send it.
 *
 * asked → approved → ran, or asked → refused, or asked → lapsed. Synchronous throughout, so nothing comes between a
 * check and what follows from it. Times in ms.
 */
export function createConfirmations(sql: SqlStorage) {
  sql.exec(`CREATE TABLE IF NOT EXISTS chat_confirmations (
    call_id TEXT PRIMARY KEY,
    tool TEXT NOT NULL,
    input TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('asked', 'approved', 'refused', 'lapsed', 'ran')),
    asked_at INTEGER NOT NULL,
    answered_at INTEGER,
    answered_by TEXT
  ) STRICT`);

  return {
    /**
     * Notes a question. `false` when a call of this id is on record already, unless it is this very call and its
     * approval still waits to be used: an id that a model gives twice never inherits an answer.
     */
    ask({ callId, tool, input }: AskedCall, now: number): boolean {
      const asked = sql.exec(
        `INSERT INTO chat_confirmations (call_id, tool, input, state, asked_at) VALUES (?, ?, ?, 'asked', ?)
         ON CONFLICT DO NOTHING RETURNING call_id`,
        callId,
        tool,
        input,
        now,
      );
      if (asked.toArray().length === 1) return true;
      const same = sql.exec(
        "SELECT 1 FROM chat_confirmations WHERE call_id = ? AND tool = ? AND input = ? AND state = 'approved'",
        callId,
        tool,
        input,
      );
      return same.toArray().length === 1;
    },

    /** Takes the first answer to a question; why not, where it does not count. */
    answer(callId: string, approved: boolean, by: string, now: number): AnswerRefusal | undefined {
      const answered = sql.exec(
        `UPDATE chat_confirmations SET state = ?, answered_at = ?, answered_by = ?
         WHERE call_id = ? AND state = 'asked' AND asked_at > ? RETURNING call_id`,
        approved ? 'approved' : 'refused',
        now,
        by,
        callId,
        now - QUESTION_GOOD_MS,
      );
      if (answered.toArray().length === 1) return undefined;
      const [row] = sql
        .exec<{ state: string }>('SELECT state FROM chat_confirmations WHERE call_id = ?', callId)
        .toArray();
      if (row === undefined) return 'approval_unasked';
      return row.state === 'asked' || row.state === 'lapsed' ? 'approval_lapsed' : 'approval_repeated';
    },

    /** Uses up the approval of this very call: `true` once, and only soon after it was given. */
    take({ callId, tool, input }: AskedCall, now: number): boolean {
      const taken = sql.exec(
        `UPDATE chat_confirmations SET state = 'ran'
         WHERE call_id = ? AND tool = ? AND input = ? AND state = 'approved' AND answered_at > ? RETURNING call_id`,
        callId,
        tool,
        input,
        now - APPROVAL_GOOD_MS,
      );
      return taken.toArray().length === 1;
    },

    /** The conversation went on: open questions are open no more. */
    lapse(now: number): void {
      sql.exec("UPDATE chat_confirmations SET state = 'lapsed' WHERE state = 'asked'");
      sql.exec('DELETE FROM chat_confirmations WHERE asked_at < ?', now - SETTLED_KEPT_MS);
    },

    /** Whether somebody approved this call, run or not. */
    isApproved: (callId: string): boolean =>
      sql
        .exec("SELECT 1 FROM chat_confirmations WHERE call_id = ? AND state IN ('approved', 'ran')", callId)
        .toArray().length === 1,
  };
}
export type Confirmations = ReturnType<typeof createConfirmations>;
