import type { SigningKeyRow } from '@agent-ticket/drizzle/control/signing-keys.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Keyring } from './keyring.ts';
import { rotate } from './rotation.ts';

export interface KeyMaintenancePorts {
  readonly keyring: Keyring;
  readonly auditKeyring: Keyring;
  readonly randomId: () => string;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** Beyond the longest session, so that whoever looks into one still finds the key it came by. */
const RETIRED_KEPT_MS = 90 * 24 * 3_600_000;

/** Whether the next key should be made now, so that it signs when the present one's time is over. */
const isRotationDue = (active: SigningKeyRow, { schedule }: Keyring, now: number): boolean =>
  active.retiresAt === null && now >= active.activatesAt + schedule.everyMs - schedule.leadMs;

/**
 * What keys need each minute: events that did not reach the ledger, the rotation that is due, rows of no use any
 * more. Each step is one conditional write that may be repeated, so any number of instances may run it at once and
 * the next run completes what a crash left. `now` in ms.
 */
export async function maintainKeys(ports: KeyMaintenancePorts, now: number): Promise<void> {
  await ports.keyring.announce();
  for (const keyring of [ports.keyring, ports.auditKeyring]) await rotateWhenDue(keyring, ports, now);
  await ports.keyring.keys.purge('ticket', now - RETIRED_KEPT_MS);
  await ports.keyring.announce();
}

async function rotateWhenDue(keyring: Keyring, ports: KeyMaintenancePorts, now: number): Promise<void> {
  keyring.forget();
  const signer = await keyring.signer(now);
  if (!signer.ok) {
    const { reason, detail } = signer.denial;
    ports.log({ event: 'rotation_failed', purpose: keyring.purpose, reason, detail });
    return;
  }
  if (!isRotationDue(signer.value.row, keyring, now)) return;
  const rotated = await rotate(keyring, {
    now,
    activate: 'scheduled',
    eventOf: ({ row, previous }): AuditEvent => ({
      eventId: ports.randomId(),
      at: now,
      type: 'key.rotated',
      outcome: 'success',
      kid: row.kid,
      details: {
        by: 'schedule',
        purpose: row.purpose,
        alg: row.alg,
        previous: previous.kid,
        activates_at: row.activatesAt,
      },
    }),
  });
  if (rotated.ok || rotated.denial.reason === 'rotation_pending') return;
  const { reason, detail } = rotated.denial;
  ports.log({ event: 'rotation_failed', purpose: keyring.purpose, reason, detail });
}
