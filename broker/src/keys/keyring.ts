import type {
  NewSigningKey,
  SigningKeyRow,
  signingKeyQueries,
} from '@agent-ticket/drizzle/control/signing-keys.ts';
import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { TicketAlgorithm } from '@agent-ticket/shared/ticket.ts';
import { type KeyMaterial, makeKey, openKey } from './material.ts';
import { isPublished, PUBLISH_LEAD_MS, RETIRE_LAG_MS, SIGNER_CACHE_MS, stateOf } from './schedule.ts';
import { importKeyEncryptionKey } from './seal.ts';

export interface KeyringPorts {
  readonly keys: ReturnType<typeof signingKeyQueries>;
  /** 256-bit AES key, raw. */
  readonly keyEncryptionKey: Uint8Array<ArrayBuffer>;
  readonly randomBytes: (length: number) => Uint8Array<ArrayBuffer>;
  /** Called once with the key that this instance made for an empty database. */
  readonly onFirstKey: (row: SigningKeyRow, now: number) => Promise<void>;
}

const FIRST_ALGORITHM: TicketAlgorithm = 'ES256';

/** A key with the row it came from. */
export interface HeldKey {
  readonly row: SigningKeyRow;
  readonly material: KeyMaterial;
}

export interface Rotation {
  readonly row: SigningKeyRow;
  readonly previous: SigningKeyRow & { readonly retiresAt: number; readonly removedAt: number };
}

export type Activation = 'scheduled' | 'now';

const rowOf = (key: NewSigningKey): SigningKeyRow => ({
  ...key,
  retiresAt: null,
  removedAt: null,
  revokedAt: null,
});

/**
 * The ticket keys of this broker. Rows are read at most every {@link SIGNER_CACHE_MS}; a key is opened and imported
 * once per isolate. Rows that do not open are left out: never published, never trusted. `now` in ms throughout.
 */
export function createKeyring(ports: KeyringPorts) {
  const opened = new Map<string, KeyMaterial>();
  let held: { readonly keys: readonly HeldKey[]; readonly readAt: number } | undefined;

  let kek: CryptoKey | undefined;

  /** Held as a value, not as a promise: on Workers one request must not wait for another's promise. */
  async function sealingKey(): Promise<CryptoKey> {
    kek ??= await importKeyEncryptionKey(ports.keyEncryptionKey);
    return kek;
  }

  /**
   * Makes the first key of an empty database, where any number of instances may start together: one key results. A
   * database whose keys do not open is not empty, so a wrong key-encryption key never makes a new key.
   */
  async function makeFirst(now: number): Promise<void> {
    const facts = {
      purpose: 'ticket',
      generation: 1,
      alg: FIRST_ALGORITHM,
      createdAt: now,
      activatesAt: now,
    } as const;
    const key = await makeKey(await sealingKey(), facts, ports.randomBytes);
    if (await ports.keys.insertFirst(key)) await ports.onFirstKey(rowOf(key), now);
  }

  async function rowsOf(now: number): Promise<SigningKeyRow[]> {
    const rows = await ports.keys.list('ticket');
    if (rows.length > 0) return rows;
    await makeFirst(now);
    return ports.keys.list('ticket');
  }

  async function read(now: number): Promise<readonly HeldKey[]> {
    const keys: HeldKey[] = [];
    for (const row of await rowsOf(now)) {
      if (!isPublished(row, now)) continue;
      const material = opened.get(row.sealed) ?? (await openKey(await sealingKey(), row));
      if (material === undefined) continue;
      opened.set(row.sealed, material);
      keys.push({ row, material });
    }
    held = { keys, readAt: now };
    return keys;
  }

  /** Published keys, newest first. */
  async function current(now: number): Promise<readonly HeldKey[]> {
    const fresh = held !== undefined && now - held.readAt < SIGNER_CACHE_MS && now >= held.readAt;
    const keys = fresh && held !== undefined ? held.keys : await read(now);
    return keys.filter(({ row }) => isPublished(row, now));
  }

  return {
    current,

    /** The key that signs now. Refuses when there is none, which never makes one silently. */
    async signer(now: number): Promise<Outcome<HeldKey>> {
      const key = (await current(now)).find(({ row }) => stateOf(row, now) === 'active');
      return key === undefined ? deny('signing_key_missing', { retryAfter: 5 }) : allow(key);
    },

    /**
     * Makes the next key. `scheduled`: it signs once every verifier has had time to learn it; `now`: at once, at the
     * price that verifiers without a binding may ask clients to retry. Refuses while another rotation is pending, and
     * without an active key that opens here: a wrong key-encryption key must not seal keys that nobody else can open.
     *
     * @param record writes the event, before the key comes to be: a key without one would be a hole in the log.
     */
    async rotate(
      now: number,
      activate: Activation,
      alg: TicketAlgorithm | undefined,
      record: (rotation: Rotation) => Promise<unknown>,
    ): Promise<Outcome<Rotation>> {
      held = undefined;
      const keys = await current(now);
      const previous = keys.find(({ row }) => stateOf(row, now) === 'active')?.row;
      const [newest] = await ports.keys.list('ticket');
      if (previous === undefined || newest === undefined)
        return deny('signing_key_missing', { retryAfter: 5 });
      if (keys.some(({ row }) => stateOf(row, now) === 'pending')) return deny('rotation_pending');

      const activatesAt = activate === 'now' ? now : now + PUBLISH_LEAD_MS;
      const end = { retiresAt: activatesAt, removedAt: activatesAt + RETIRE_LAG_MS };
      const facts = {
        purpose: 'ticket',
        generation: newest.generation + 1,
        alg: alg ?? TicketAlgorithm.parse(previous.alg),
        createdAt: now,
        activatesAt,
      } as const;
      const key = await makeKey(await sealingKey(), facts, ports.randomBytes);
      const rotation = { row: rowOf(key), previous: { ...previous, ...end } };
      await record(rotation);
      const won = await ports.keys.insertNext(key, end);
      held = undefined;
      return won ? allow(rotation) : deny('rotation_pending');
    },
  };
}
export type Keyring = ReturnType<typeof createKeyring>;
