import type { Planted } from './hooks.ts';

/** Faults that the product once had, each as a change of its present code. The simulation finds each of them. */
export const PLANTED: readonly (Planted & { readonly name: string })[] = [
  {
    // A row of the outbox went when the agent worker had answered, though the record database had not taken its event.
    name: 'outbox-forgets',
    file: 'broker/src/revocation/outbox.ts',
    original: 'if (isRecorded && isDone(receipt)) {',
    replacement: 'if (isDone(receipt)) {',
  },
  {
    // Of two rotations at once each made a key, and both were pending.
    name: 'two-pending-keys',
    file: 'broker/src/keys/changes.ts',
    original: 'const key = await keyring.make(generation, ',
    replacement: 'const key = await keyring.make(nextGeneration(await keyring.rows(now)), ',
  },
  {
    // A session that ended while it was handed over counted as recorded with its end.
    name: 'end-acknowledged-early',
    file: 'drizzle/object/sessions.ts',
    original: 'change({ ...session, recorded: version });',
    replacement: 'change({ ...session, recorded: session.version });',
  },
];
