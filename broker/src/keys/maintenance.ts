import type { SigningKeyRow } from '@agent-ticket/drizzle/control/signing-keys.ts';
import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import type { Denial } from '@agent-ticket/shared/denial.ts';
import { rotate, rotationDetails } from './changes.ts';
import type { Keyring } from './keyring.ts';

interface KeyMaintenancePorts {
  readonly control: Pick<ControlStore, 'keys' | 'change'>;
  readonly keyring: Keyring;
  readonly auditKeyring: Keyring;
  readonly randomId: () => string;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** Beyond the longest session: the key that a session came by can still be looked up. */
const RETIRED_KEPT_MS = 90 * 24 * 3_600_000;

/** Whether the next key should be made now, so that it signs when the present one's time is over. */
const isRotationDue = (active: SigningKeyRow, { schedule }: Keyring, now: number): boolean =>
  active.retiresAt === null && now >= active.activatesAt + schedule.everyMs - schedule.leadMs;

/**
 * What keys need each minute: the rotation that is due, and the end of rows of no use any more. Each step is one
 * conditional write that may be repeated, so any number of instances may run it at once and the next run completes what
 * a crash left. `now` in ms.
 */
export async function maintainKeys(ports: KeyMaintenancePorts, now: number): Promise<void> {
  for (const keyring of [ports.keyring, ports.auditKeyring]) await rotateWhenDue(keyring, ports, now);
  await ports.control.keys.purge('ticket', now - RETIRED_KEPT_MS);
}

async function rotateWhenDue(
  keyring: Keyring,
  { control, randomId, log }: KeyMaintenancePorts,
  now: number,
): Promise<void> {
  const { purpose } = keyring;
  const logFailure = ({ reason, detail }: Denial) =>
    log({ event: 'rotation_failed', purpose, reason, detail });
  const signer = await keyring.newestSigner(now);
  if (!signer.ok) return logFailure(signer.denial);
  if (!isRotationDue(signer.value.row, keyring, now)) return;
  const rotated = await rotate(keyring, { now, activate: 'scheduled' }, (rotation, change) =>
    control.change({
      ...change,
      event: {
        eventId: randomId(),
        at: now,
        type: 'key.rotated',
        outcome: 'success',
        kid: rotation.row.kid,
        details: { by: 'schedule', ...rotationDetails(rotation) },
      },
      // The flusher of the outbox delivers the event.
      dueAt: now,
    }),
  );
  if (!rotated.ok && rotated.denial.reason !== 'rotation_pending') logFailure(rotated.denial);
}
