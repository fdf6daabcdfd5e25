import {
  REVOCATION_FRESH_MS,
  type Revocable,
  type Revocation,
  strongestHit,
} from '@agent-ticket/shared/revocation.ts';

interface Held {
  readonly revocation: Revocation;
  readonly heldAt: number;
}

/** Revocations by target, each for as long as it can hit a valid ticket after it was learned of. Times in ms. */
export function createHeldRevocations() {
  /** By id, those held longest first. */
  const all = new Map<string, Held>();
  const byTarget = new Map<string, Map<string, Revocation>>();

  function remove({ id, target }: Revocation): void {
    all.delete(id);
    const rows = byTarget.get(target);
    rows?.delete(id);
    if (rows?.size === 0) byTarget.delete(target);
  }

  return {
    /** Keeps a version of a revocation unless a newer one is there. */
    add(revocation: Revocation, now: number): void {
      const { id, rev, target } = revocation;
      const old = all.get(id)?.revocation;
      if (old !== undefined) {
        if (old.rev > rev) return;
        remove(old);
      }
      all.set(id, { revocation, heldAt: now });
      const rows = byTarget.get(target) ?? new Map<string, Revocation>();
      byTarget.set(target, rows.set(id, revocation));
    },

    /** Of those that hit a ticket one with the strongest code. */
    hit: (ticket: Revocable, now: number): Revocation | undefined =>
      strongestHit(
        ticket,
        ticket.names.flatMap((name) => [...(byTarget.get(name)?.values() ?? [])]),
        now,
      ),

    /** Forgets what can hit no valid ticket any more. */
    drop(now: number): void {
      for (const { revocation, heldAt } of all.values()) {
        if (now - heldAt <= REVOCATION_FRESH_MS) return;
        remove(revocation);
      }
    },
  };
}
