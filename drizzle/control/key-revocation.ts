import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { and, eq, exists, gt, isNull, or, type SQL, sql } from 'drizzle-orm';
import { insertChangeEvent } from './change-events.ts';
import type { ControlDatabase } from './database.ts';
import type { NewCommand } from './outbox.ts';
import type { LockRow } from './policy.ts';
import { locks, outbox, signingKeys } from './schema.ts';
import type { NewSigningKey } from './signing-keys.ts';

/** Who signs once a key is gone. */
export type Successor =
  /** The key did not sign: nothing changes for the one that does. */
  | { readonly kind: 'same' }
  /** The key was to sign next: the present one goes on without an end. */
  | { readonly kind: 'kept'; readonly kid: string }
  /** A pending key signs from now on. */
  | { readonly kind: 'activated'; readonly kid: string }
  /** A new key signs from now on. */
  | { readonly kind: 'made'; readonly key: NewSigningKey };

export interface KeyRevocation {
  readonly kid: string;
  /** In ms. */
  readonly at: number;
  readonly successor: Successor;
  readonly event: AuditEvent;
  /** Of a ticket key: the lock that refuses what it signed, and the command that closes its sockets. */
  readonly sockets?: { readonly lock: Omit<LockRow, 'liftedAt'>; readonly command: NewCommand } | undefined;
}

/**
 * Takes a key away for good: its private part is wiped, so that no later edit of the row brings it back. Successor,
 * lock, command and event come with it in one batch, all or nothing. Answers `false` and changes nothing when the
 * keys are no longer as the successor was chosen for.
 */
export async function revokeKey(db: ControlDatabase, revocation: KeyRevocation): Promise<boolean> {
  const { kid, at, successor, event, sockets } = revocation;
  const revoked = sql`${signingKeys.kid} = ${kid} AND ${signingKeys.revokedAt} = ${at}`;
  const made = successor.kind === 'made' ? [insertKey(db, successor.key)] : [];
  const [first, ...rest] = [
    ...made,
    db
      .update(signingKeys)
      .set({
        revokedAt: at,
        sealed: '',
        retiresAt: sql`coalesce(${signingKeys.retiresAt}, ${at})`,
        removedAt: sql`coalesce(${signingKeys.removedAt}, ${at})`,
      })
      .where(and(eq(signingKeys.kid, kid), isNull(signingKeys.revokedAt), stillThere(db, successor, at)))
      .returning({ kid: signingKeys.kid }),
    ...succeed(db, successor, at, revoked),
    ...(sockets === undefined
      ? []
      : [insertLock(db, sockets.lock, revoked), insertCommand(db, sockets.command, revoked)]),
    insertChangeEvent(db, event, signingKeys, revoked),
  ];
  const results: readonly unknown[] = first === undefined ? [] : await db.batch([first, ...rest]);
  const taken = results[made.length];
  return Array.isArray(taken) && taken.length === 1;
}

const insertKey = (db: ControlDatabase, key: NewSigningKey) =>
  db.insert(signingKeys).values(key).onConflictDoNothing();

const anyKey = (db: ControlDatabase, when: SQL | undefined) =>
  exists(db.select({ one: sql`1` }).from(signingKeys).where(when));

/** Whether the successor is what it was when it was chosen: of a new one, whether it took its generation. */
function stillThere(db: ControlDatabase, successor: Successor, at: number): SQL | undefined {
  switch (successor.kind) {
    case 'same':
      return undefined;
    case 'made':
      return anyKey(db, eq(signingKeys.kid, successor.key.kid));
    case 'activated':
      return anyKey(db, and(eq(signingKeys.kid, successor.kid), isNull(signingKeys.revokedAt)));
    case 'kept':
      return anyKey(
        db,
        and(
          eq(signingKeys.kid, successor.kid),
          isNull(signingKeys.revokedAt),
          or(isNull(signingKeys.retiresAt), gt(signingKeys.retiresAt, at)),
        ),
      );
  }
}

function succeed(db: ControlDatabase, successor: Successor, at: number, revoked: SQL) {
  if (successor.kind !== 'activated' && successor.kind !== 'kept') return [];
  const own = and(eq(signingKeys.kid, successor.kid), anyKey(db, revoked));
  return successor.kind === 'kept'
    ? [db.update(signingKeys).set({ retiresAt: null, removedAt: null }).where(own)]
    : [
        db
          .update(signingKeys)
          .set({ activatesAt: at })
          .where(and(own, gt(signingKeys.activatesAt, at))),
      ];
}

const insertLock = (db: ControlDatabase, lock: Omit<LockRow, 'liftedAt'>, revoked: SQL) =>
  db.insert(locks).select(
    db
      .select({
        id: sql`${lock.id}`.as('id'),
        target: sql`${lock.target}`.as('target'),
        reason: sql`${lock.reason}`.as('reason'),
        createdBy: sql`${lock.createdBy}`.as('created_by'),
        createdAt: sql`${lock.createdAt}`.as('created_at'),
        expiresAt: sql`${lock.expiresAt}`.as('expires_at'),
        liftedAt: sql`NULL`.as('lifted_at'),
      })
      .from(signingKeys)
      .where(revoked),
  );

const insertCommand = (db: ControlDatabase, command: NewCommand, revoked: SQL) =>
  db.insert(outbox).select(
    db
      .select({
        id: sql`${command.id}`.as('id'),
        command: sql`${command.command}`.as('command'),
        before: sql`${command.before}`.as('before'),
        attempts: sql`0`.as('attempts'),
        dueAt: sql`${command.dueAt}`.as('due_at'),
      })
      .from(signingKeys)
      .where(revoked),
  );
