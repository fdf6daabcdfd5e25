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

/** What a logout is looked up by: the session where it names one. */
function placeOf({ sid, subject }: LoggedOut): { readonly kind: 'sid' | 'sub'; readonly value: string } {
  if (sid !== undefined) return { kind: 'sid', value: sid };
  if (subject !== undefined) return { kind: 'sub', value: subject };
  throw new TypeError('a logout names a session or a subject');
}

const standing = ({ kind, value }: ReturnType<typeof placeOf>, issuer: string) =>
  and(
    eq(authSessions.issuer, issuer),
    eq(kind === 'sid' ? authSessions.sid : authSessions.subject, value),
    isNull(authSessions.endedAt),
  );

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

    /** Whose sessions stand under this `sid`, or the subject's own where none is named. */
    async subjectsOf(who: LoggedOut): Promise<string[]> {
      const rows = await db
        .select({ subject: authSessions.subject })
        .from(authSessions)
        .where(standing(placeOf(who), who.issuer));
      return [...new Set(rows.map(({ subject }) => subject))];
    },

    /**
     * Ends the session with this `sid`, or without one every session of the subject, and notes the logout for those
     * that are kept elsewhere; both or neither. Times in ms.
     */
    async logOut(who: LoggedOut, now: number, keptUntil: number): Promise<void> {
      const place = placeOf(who);
      await db.batch([
        db.update(authSessions).set({ endedAt: now }).where(standing(place, who.issuer)),
        db
          .insert(authLogouts)
          .values({ name: nameOf(place.kind, who.issuer, place.value), at: now, keptUntil })
          .onConflictDoUpdate({
            target: authLogouts.name,
            set: {
              at: sql`max(${authLogouts.at}, excluded.at)`,
              keptUntil: sql`max(${authLogouts.keptUntil}, excluded.kept_until)`,
            },
          }),
      ]);
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
