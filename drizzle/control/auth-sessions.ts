import { and, eq, isNull, lte } from 'drizzle-orm';
import { deleteFirst, type Statement } from '../database.ts';
import type { ControlDatabase } from './change.ts';
import { authSessions, usedTokens } from './schema.ts';

type AuthSessionRow = typeof authSessions.$inferSelect;

/** The scope of a logout at the identity provider: one of its sessions, or all sessions of a person. */
export interface LoggedOut {
  readonly issuer: string;
  readonly sid?: string | undefined;
  readonly subject?: string | undefined;
}

/** Condition of open sessions that a logout ends: those of the session that it names, otherwise all of the subject. */
function inForce({ issuer, sid, subject }: LoggedOut) {
  if (sid === undefined && subject === undefined)
    throw new TypeError('a logout names a session or a subject');
  const named = sid === undefined ? eq(authSessions.subject, subject ?? '') : eq(authSessions.sid, sid);
  return and(eq(authSessions.issuer, issuer), named, isNull(authSessions.endedAt));
}

export function authSessionStore(db: ControlDatabase) {
  return {
    /** A session, ended and expired ones too: the caller has the clock. */
    async find(id: string): Promise<AuthSessionRow | undefined> {
      const [row] = await db.select().from(authSessions).where(eq(authSessions.id, id));
      return row;
    },

    /** Whose sessions a logout ends. */
    async subjectsOf(logout: LoggedOut): Promise<string[]> {
      const rows = await db
        .select({ subject: authSessions.subject })
        .from(authSessions)
        .where(inForce(logout));
      return [...new Set(rows.map(({ subject }) => subject))];
    },

    /** Forgets sessions that have expired, no more than `limit`. `now` in ms. How many went. */
    purge(now: number, limit: number): Promise<number> {
      return deleteFirst(db, {
        key: authSessions.id,
        by: authSessions.expiresAt,
        where: lte(authSessions.expiresAt, now),
        limit,
      });
    },

    // Statements for a change.

    insert: (session: Omit<AuthSessionRow, 'endedAt'>): Statement => db.insert(authSessions).values(session),

    /** Ends one session; nothing needs its claims then. `now` in ms. */
    end: (id: string, now: number): Statement =>
      db
        .update(authSessions)
        .set({ endedAt: now, claims: {} })
        .where(and(eq(authSessions.id, id), isNull(authSessions.endedAt))),

    /** Ends every session that a logout names. `now` in ms. */
    endAll: (logout: LoggedOut, now: number): Statement =>
      db.update(authSessions).set({ endedAt: now, claims: {} }).where(inForce(logout)),

    /** Deletes the sessions in force of a person. */
    forget: (person: Required<Pick<LoggedOut, 'issuer' | 'subject'>>): Statement =>
      db.delete(authSessions).where(inForce(person)),
  };
}

export function usedTokenStore(db: ControlDatabase) {
  return {
    /** Whether this is the first use, of any number at once. The name is kept at least until `expiresAt`, in ms. */
    async use(name: string, expiresAt: number): Promise<boolean> {
      const first = await db
        .insert(usedTokens)
        .values({ name, expiresAt })
        .onConflictDoNothing()
        .returning({ name: usedTokens.name });
      return first.length === 1;
    },

    /** Whether it was used, for what may be done twice but should not be begun again. */
    async isUsed(name: string): Promise<boolean> {
      const rows = await db
        .select({ name: usedTokens.name })
        .from(usedTokens)
        .where(eq(usedTokens.name, name));
      return rows.length > 0;
    },

    /** Statement for a change: notes a use, the first or not. */
    note: (name: string, expiresAt: number): Statement =>
      db.insert(usedTokens).values({ name, expiresAt }).onConflictDoNothing(),

    /** Forgets tokens that have expired, no more than `limit`. `now` in ms. How many went. */
    purge(now: number, limit: number): Promise<number> {
      return deleteFirst(db, {
        key: usedTokens.name,
        by: usedTokens.expiresAt,
        where: lte(usedTokens.expiresAt, now),
        limit,
      });
    },
  };
}
