import type { LockRow } from '@agent-ticket/drizzle/control/policy.ts';
import { type Target, targetName } from '@agent-ticket/shared/target.ts';
import type { By } from '../audit/act.ts';

/** A lock that somebody sets now. `expiresAt` in ms; null: until it is lifted. */
export const newLock = (
  id: string,
  target: Target,
  { who, now }: By,
  { reason, expiresAt }: Pick<LockRow, 'reason' | 'expiresAt'>,
): LockRow => ({
  id,
  target: targetName(target),
  reason,
  createdBy: who.principal.id,
  createdAt: now,
  expiresAt,
  liftedAt: null,
});
