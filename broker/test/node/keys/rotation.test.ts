import { expect, it } from 'vitest';
import { rotate } from '../../../src/keys/changes.ts';
import type { Keyring } from '../../../src/keys/keyring.ts';
import { stateOf } from '../../../src/keys/schedule.ts';
import { NOW, startNodeBroker } from '../start-broker.ts';

it('a rotation that another one of the same process overtakes at any read makes no second key', async () => {
  const now = NOW * 1000;
  for (const read of ['rows', 'current', 'newestSigner', 'after current'] as const) {
    const { ports } = await startNodeBroker();
    const { keyring, control } = ports;
    const turn = (by: Keyring) =>
      rotate(by, { now, activate: 'scheduled' }, ({ row }, change) =>
        control.change({
          ...change,
          event: {
            eventId: crypto.randomUUID(),
            at: now,
            type: 'key.rotated',
            outcome: 'success',
            kid: row.kid,
          },
          dueAt: now,
        }),
      );
    let isOvertaken = false;
    const before = async (at: number) => {
      if (!isOvertaken) {
        isOvertaken = true;
        expect(await turn(keyring)).toMatchObject({ ok: true });
      }
      return at;
    };
    const overtaken: Keyring = {
      ...keyring,
      rows: async (at) => keyring.rows(read === 'rows' ? await before(at) : at),
      async current(at) {
        const found = await keyring.current(read === 'current' ? await before(at) : at);
        if (read === 'after current') await before(at);
        return found;
      },
      newestSigner: async (at) => keyring.newestSigner(read === 'newestSigner' ? await before(at) : at),
    };
    expect(await turn(overtaken)).toMatchObject({ ok: false, denial: { reason: 'rotation_pending' } });
    const states = (await keyring.rows(now)).map((row) => stateOf(row, now));
    expect(states).toEqual(['pending', 'active']);
  }
});
