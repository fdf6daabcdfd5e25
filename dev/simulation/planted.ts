import type { Planted } from './hooks.ts';

/** Faults that the product once had. Each is a change of the present code. The simulation finds each of them. */
export const PLANTED: readonly (Planted & { readonly name: string })[] = [
  {
    // The outbox deleted a row after the answer of the agent worker, before the record database had the event of the
    // row.
    name: 'outbox-forgets',
    file: 'broker/src/revocation/outbox.ts',
    original: 'if (isRecorded && isDone(receipt)) {',
    replacement: 'if (isDone(receipt)) {',
  },
  {
    // Two concurrent rotations each made a key, and both keys were pending.
    name: 'two-pending-keys',
    file: 'broker/src/keys/changes.ts',
    original: 'const key = await keyring.make(generation, ',
    replacement: 'const key = await keyring.make(nextGeneration(await keyring.rows(now)), ',
  },
  {
    // A session that ended during its delivery to the recorder counted as recorded with its end.
    name: 'end-acknowledged-early',
    file: 'drizzle/object/sessions.ts',
    original: 'change({ ...session, recorded: version });',
    replacement: 'change({ ...session, recorded: session.version });',
  },
  {
    // After a restore of the record database the copies of later revocations were missing.
    name: 'copies-not-restored',
    file: 'broker/src/runtime/scheduled.ts',
    original: 'else await copyMissing(ports);',
    replacement: '',
  },
  {
    // The copy of a later change hid that the copies of earlier ones were missing.
    name: 'copies-overtaken',
    file: 'broker/src/revocation/outbox.ts',
    original: '      await copyEarlier(revocations, ports);',
    replacement: '',
  },
];
