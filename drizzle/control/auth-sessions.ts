import { and, eq, gte, inArray, isNull, lte, sql } from 'drizzle-orm';
import type { ControlDatabase } from './database.ts';
import { authLogouts, authSessions } from './schema.ts';

export type AuthSessionRow = typeof authSessions.$inferSelect;

/** What an identity provider says has ended: one of its sessions, or all of a person. */
export interface LoggedOut {
  readonly issuer: string;
  readonly sid?: string | undefined;
  readonly subject?: string | undefined;
}

const nameOf = (kind: 'sid' | 'sub', issuer: string, value: string): string => `${kind}:${issuer} ${value}`;

export function authSessionQueries(db: ControlDatabase) {
  return {
    async insert(session: Omit<AuthSessionRow, 'endedAt'>): Promise<void> {
      await db.insert(authSessions).values(session);
    },

    /** A session, ended and expired ones too: the caller has the clock. */
    async find(id: string): Promise<AuthSessionRow | undefined> {
      const [row] = await db.select().from(authSessions).where(eq(authSessions.id, id));
      return row;
    },

    /** Ends one session. Whether this call did. */
    async end(id: string, now: number): Promise<boolean> {
      const ended = await db
        .update(authSessions)
        .set({ endedAt: now })
        .where(and(eq(authSessions.id, id), isNull(authSessions.endedAt)))
        .returning({ id: authSessions.id });
      return ended.length === 1;
    },

    /**
     * Ends the session with this `sid`, or without one every session of the subject, and notes the logout for those
     * that are kept elsewhere; both or neither. Answers whose sessions ended here. Times in ms.
     */
    async logOut({ issuer, sid, subject }: LoggedOut, now: number, keptUntil: number): Promise<string[]> {
      const [kind, value] = sid === undefined ? (['sub', subject] as const) : (['sid', sid] as const);
      if (value === undefined) throw new TypeError('a logout names a session or a subject');
      const column = kind === 'sid' ? authSessions.sid : authSessions.subject;
      const [ended] = await db.batch([
        db
          .update(authSessions)
          .set({ endedAt: now })
          .where(and(eq(authSessions.issuer, issuer), eq(column, value), isNull(authSessions.endedAt)))
          .returning({ subject: authSessions.subject }),
        db
          .insert(authLogouts)
          .values({ name: nameOf(kind, issuer, value), at: now, keptUntil })
          .onConflictDoUpdate({
            target: authLogouts.name,
            set: {
              at: sql`max(${authLogouts.at}, excluded.at)`,
              keptUntil: sql`max(${authLogouts.keptUntil}, excluded.kept_until)`,
            },
          }),
      ]);
      return [...new Set(ended.map((row) => row.subject))];
    },

    /** Whether a session that is kept elsewhere, and began at `since` (ms), has been logged out. */
    async isLoggedOut(
      { issuer, sid, subject }: LoggedOut & { readonly subject: string },
      since: number,
    ): Promise<boolean> {
      const names = [
        nameOf('sub', issuer, subject),
        ...(sid === undefined ? [] : [nameOf('sid', issuer, sid)]),
      ];
      const rows = await db
        .select({ name: authLogouts.name })
        .from(authLogouts)
        .where(and(inArray(authLogouts.name, names), gte(authLogouts.at, since)));
      return rows.length > 0;
    },

    /** Forgets sessions that have expired and logouts that no session can be about any more. */
    async purge(now: number): Promise<void> {
      await db.batch([
        db.delete(authSessions).where(lte(authSessions.expiresAt, now)),
        db.delete(authLogouts).where(lte(authLogouts.keptUntil, now)),
      ]);
    },
  };
}
