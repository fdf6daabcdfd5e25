import {
  REVOCATION_CODES,
  type Revocable,
  type Revocation,
  type RevocationCode,
} from '@agent-ticket/shared/revocation.ts';

/** A ticket as an object asks about it. */
interface PresentedTicket extends Revocable {
  /** When the ticket was issued, in seconds. */
  readonly iat: number;
}

/** Why an object refuses a ticket: a revocation hits it, or the ticket is older than the object. */
type ObjectRefusal = RevocationCode | 'predates_object';

/** Most severe first. */
const REFUSALS: readonly ObjectRefusal[] = ['predates_object', ...REVOCATION_CODES];

type Row = {
  id: string;
  rev: number;
  target: string;
  kind: string;
  until: number | null;
  code: string;
};

/**
 * Revocations that one object keeps: those that name it, and its own end. Kind `issued` is the object's own: it hits
 * tickets issued until `rev`, in ms by whichever clock was ahead. Times in ms.
 */
export function objectRevocationStore(sql: SqlStorage) {
  const write = ({ id, rev, target, kind, until, code }: Row): void => {
    sql.exec(
      `INSERT INTO ticket_revocations (id, rev, target, kind, until, code) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET rev = excluded.rev, target = excluded.target, kind = excluded.kind,
         until = excluded.until, code = excluded.code WHERE excluded.rev > rev`,
      id,
      rev,
      target,
      kind,
      until,
      code,
    );
  };
  return {
    /** Keeps a version of a revocation unless a newer one is there. */
    apply: (revocation: Revocation): void => write(revocation),

    /** Keeps that the object was destroyed, for good. */
    noteDestroyed: (at: number): void =>
      write({
        id: 'destroyed',
        rev: at,
        target: 'everything:',
        kind: 'issued',
        until: null,
        code: 'predates_object',
      }),

    /** Why a ticket is refused; `undefined` where nothing hits it. */
    whyRefused({ names, rev, iat }: PresentedTicket, now: number): ObjectRefusal | undefined {
      // Most objects keep no revocation, and parsing the names costs ten times as much.
      if (sql.exec("SELECT 1 FROM ticket_revocations WHERE target >= '' LIMIT 1").toArray().length === 0)
        return undefined;
      const codes = sql
        .exec<{ code: string }>(
          `SELECT code FROM ticket_revocations
           WHERE target IN (SELECT value FROM json_each(?)) AND (until IS NULL OR until > ?)
             AND (kind = 'any' OR (kind = 'before' AND rev > ?) OR (kind = 'issued' AND rev >= ?))`,
          JSON.stringify(names),
          now,
          rev,
          iat * 1000,
        )
        .toArray()
        .map(({ code }) => code);
      return REFUSALS.find((refusal) => codes.includes(refusal));
    },

    all: (): Row[] => sql.exec<Row>('SELECT * FROM ticket_revocations').toArray(),
    restore: write,

    /** Forgets rows that stopped to hit before a moment. */
    purge(before: number): void {
      sql.exec('DELETE FROM ticket_revocations WHERE until <= ?', before);
    },

    /**
     * Notes that the object was opened: by a ticket that rests on a grant, in a session or a plain request, or without one.
     */
    noteOpened(grant = ''): void {
      sql.exec('INSERT INTO ticket_grants (id) VALUES (?) ON CONFLICT DO NOTHING', grant);
    },

    /** Whether the object was ever opened, since its destruction if there was one. */
    isOpened: (): boolean =>
      sql.exec("SELECT 1 FROM ticket_grants WHERE id >= '' LIMIT 1").toArray().length > 0,

    /** Whether a grant was ever used here. A destruction deletes the notes, so after it every grant counts as used. */
    isGrantUsed: (id: string): boolean =>
      sql
        .exec(
          "SELECT 1 FROM ticket_grants WHERE id = ? UNION ALL SELECT 1 FROM ticket_revocations WHERE id = 'destroyed'",
          id,
        )
        .toArray().length > 0,
  };
}
