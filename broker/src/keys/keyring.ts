import type { NewSigningKey, SigningKeyRow } from '@agent-ticket/drizzle/control/signing-keys.ts';
import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import { within } from '@agent-ticket/drizzle/deadline.ts';
import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { SetKey } from '@agent-ticket/shared/key-set.ts';
import { KEY_SET, SESSION_SECONDS } from '@agent-ticket/shared/limits.ts';
import { KeyId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { TicketAlgorithm } from '@agent-ticket/shared/ticket.ts';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';
import { isPublished, type KeySchedule, SIGNER_CACHE_MS, SIGNING, stateOf } from './schedule.ts';
import { importKeyEncryptionKey, readPrivateJwk, type SealingKeys, seal, unsealWith } from './seal.ts';

interface KeyringPorts {
  readonly control: Pick<ControlStore, 'keys' | 'change'>;
  readonly record: { readonly revocations: Pick<RecordStore['revocations'], 'revokedKeys'> };
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
  readonly purpose: SigningKeyRow['purpose'];
  readonly config: {
    readonly keySchedule: KeySchedule;
    /** 256-bit AES keys, raw: the one in use, and the one before it while it is being replaced. */
    readonly keyEncryptionKey: Uint8Array<ArrayBuffer>;
    readonly previousKeyEncryptionKey?: Uint8Array<ArrayBuffer> | undefined;
  };
  readonly randomBytes: (length: number) => Uint8Array<ArrayBuffer>;
  readonly randomId: () => string;
}

const FIRST_ALGORITHM: TicketAlgorithm = 'ES256';

/** The longest wait for the record database, in ms. Without its answer the keys use the previous one. */
const COMPARISON_MS = 500;

/** A key with the row it came from. */
interface HeldKey {
  readonly row: SigningKeyRow;
  readonly material: KeyMaterial;
}

/**
 * The keys of one purpose. Rows are read at most every {@link SIGNER_CACHE_MS} for signing and each time for
 * publishing; a key is opened and imported once per isolate. Rows that do not open are left out: never published,
 * never trusted. So are keys that only the record database knows to be revoked: a backup of the control database has
 * them in their former state. While the record database is away, the keys use its last answer. `now` in ms throughout.
 */
export function createKeyring(ports: KeyringPorts) {
  const { control, purpose, config } = ports;
  const opened = new Map<string, KeyMaterial>();
  let held: { readonly keys: readonly HeldKey[]; readonly readAt: number } | undefined;
  let keks: SealingKeys | undefined;
  let compared: { readonly revoked: readonly string[]; readonly at: number } | undefined;

  /** Held as a value, not as a promise: on Workers one request must not wait for another's promise. */
  async function sealingKeys(): Promise<SealingKeys> {
    if (keks !== undefined) return keks;
    const { keyEncryptionKey, previousKeyEncryptionKey: previous } = config;
    const current = await importKeyEncryptionKey(keyEncryptionKey);
    keks =
      previous === undefined ? { current } : { current, previous: await importKeyEncryptionKey(previous) };
    return keks;
  }

  /** A key and its row, neither of them written yet. */
  async function make(generation: number, alg: TicketAlgorithm, createdAt: number, activatesAt: number) {
    const facts = { purpose, generation, alg, createdAt, activatesAt };
    return makeKey(await sealingKeys(), facts, ports.randomBytes);
  }

  /**
   * Makes the first key of an empty database, where any number of instances may start together: one key results. A
   * database whose keys do not open is not empty, so a wrong key-encryption key never makes a new key.
   */
  async function makeFirst(now: number): Promise<void> {
    const key = await make(1, FIRST_ALGORITHM, now, now);
    const event: AuditEvent = {
      eventId: ports.randomId(),
      at: now,
      type: 'key.created',
      outcome: 'success',
      kid: key.kid,
      details: { alg: key.alg, purpose },
    };
    // The flusher of the outbox delivers the event: a signer waits for nothing but its key.
    await control.change({ ...control.keys.makeFirst(key), event, dueAt: now });
  }

  /** Every row of the purpose, newest first, whether it opens or not. Never empty. */
  async function rows(now: number): Promise<SigningKeyRow[]> {
    const found = await control.keys.list(purpose);
    if (found.length > 0) return found;
    await makeFirst(now);
    return control.keys.list(purpose);
  }

  /** Tickets die in minutes, so their retired keys are gone; a checkpoint must be verifiable for years. */
  const isPublishable = (row: SigningKeyRow, now: number): boolean =>
    purpose === 'ticket' ? isPublished(row, now) : row.revokedAt === null;

  async function open(row: SigningKeyRow): Promise<KeyMaterial | undefined> {
    // By the label too: a sealed text copied into another row must be opened under that row's own label.
    const name = JSON.stringify([row.kid, row.alg, row.purpose, row.sealed]);
    const material = opened.get(name) ?? (await openKey(await sealingKeys(), row));
    if (material !== undefined) opened.set(name, material);
    return material;
  }

  /** Keys that are revoked in the record database, as of at most {@link SIGNER_CACHE_MS} ago while it answers. */
  async function revokedInRecord(now: number): Promise<readonly string[]> {
    if (compared !== undefined && now >= compared.at && now - compared.at < SIGNER_CACHE_MS)
      return compared.revoked;
    const last = compared?.revoked ?? [];
    try {
      compared = {
        revoked: await within(COMPARISON_MS, ports.record.revocations.revokedKeys()),
        at: now,
      };
    } catch (error) {
      if (!isOutage(error)) throw error;
      compared = { revoked: last, at: now };
    }
    return compared.revoked;
  }

  async function read(now: number): Promise<readonly HeldKey[]> {
    const keys: HeldKey[] = [];
    const [found, revoked] = await Promise.all([rows(now), revokedInRecord(now)]);
    for (const row of found) {
      if (!isPublishable(row, now)) continue;
      const isRevoked = revoked.includes(row.kid);
      // One line for each comparison, not for each request: everybody may ask for the published keys.
      if (isRevoked && compared?.at === now)
        ports.log({ event: 'key_revoked_in_record', purpose, kid: row.kid });
      const material = isRevoked ? undefined : await open(row);
      if (material !== undefined) keys.push({ row, material });
    }
    held = { keys, readAt: now };
    return keys;
  }

  const publishableOf = (keys: readonly HeldKey[], now: number): readonly HeldKey[] =>
    keys.filter(({ row }) => isPublishable(row, now));

  /** Usable keys, newest first, as of at most {@link SIGNER_CACHE_MS} ago. */
  async function current(now: number): Promise<readonly HeldKey[]> {
    const fresh = held !== undefined && now - held.readAt < SIGNER_CACHE_MS && now >= held.readAt;
    return publishableOf(fresh && held !== undefined ? held.keys : await read(now), now);
  }

  /** Has the next read go to the database, after a change. */
  function forget(): void {
    held = undefined;
  }

  const signing = (keys: readonly HeldKey[], now: number): HeldKey | undefined =>
    keys.find(({ row }) => stateOf(row, now) === SIGNING);

  /** The key that signs now. Refuses when there is none, which never makes one silently. */
  async function signer(now: number): Promise<Outcome<HeldKey>> {
    const keys = await current(now);
    const key = signing(keys, now);
    if (key !== undefined) return ok(key);
    return err('signing_key_missing', { retryAfter: 5, detail: await missingBecause(keys, now) });
  }

  /** The active key of this database, where it opens and only the record database knows that it is revoked. */
  async function restoredActive(now: number): Promise<SigningKeyRow | undefined> {
    const [revoked, found] = [await revokedInRecord(now), await control.keys.list(purpose)];
    const active = found.find((row) => revoked.includes(row.kid) && stateOf(row, now) === SIGNING);
    return active !== undefined && (await open(active)) !== undefined ? active : undefined;
  }

  async function missingBecause(keys: readonly HeldKey[], now: number): Promise<string> {
    const restored = await restoredActive(now);
    if (restored !== undefined)
      return `key ${restored.kid} is revoked in the record database: revoke it here, too`;
    return keys.length === 0 ? 'no key opens with KEK or KEK_PREVIOUS' : 'no key is active';
  }

  return {
    purpose,
    schedule: config.keySchedule,
    keys: control.keys,
    rows,
    make,
    current,
    sealingKeys,
    forget,
    signer,
    revokedInRecord,
    restoredActive,

    /**
     * {@link signer} by the rows last read, however old. For a caller that has the state of the key checked by rows read
     * after this call, as the mint shard does.
     */
    async lastSigner(now: number): Promise<Outcome<HeldKey>> {
      const key = held && signing(publishableOf(held.keys, now), now);
      return key === undefined ? signer(now) : ok(key);
    },

    /** {@link signer} by rows read anew: after a change, what is signed must not go by the keys from before it. */
    newestSigner(now: number): Promise<Outcome<HeldKey>> {
      forget();
      return signer(now);
    },

    /**
     * The public half of a ticket key by its name: of one that is published, or that retired so recently that a session
     * opened by a ticket of it may go on. Read anew.
     */
    async findPublic(kid: KeyId, now: number): Promise<Outcome<SetKey<TicketAlgorithm>>> {
      const [found, revoked] = await Promise.all([rows(now), revokedInRecord(now)]);
      const row = found.find((each) => each.kid === kid && each.revokedAt === null && !revoked.includes(kid));
      const isOld = row?.removedAt != null && now >= row.removedAt + SESSION_SECONDS * 1000;
      const material = row === undefined || isOld ? undefined : await open(row);
      if (material === undefined) return err('ticket_key_unknown');
      return ok({ alg: material.alg, key: material.publicKey });
    },

    /**
     * Keys to publish, newest first, read anew: a key that another instance made a moment ago may have signed
     * already, and a set without it would have its tickets refused. While the database is away, the keys last read,
     * no longer than a verifier would hold them.
     */
    async published(now: number): Promise<readonly HeldKey[]> {
      try {
        return await read(now);
      } catch (error) {
        if (!isOutage(error) || held === undefined || now - held.readAt > KEY_SET.staleMs) throw error;
        return publishableOf(held.keys, now);
      }
    },
  };
}
export type Keyring = ReturnType<typeof createKeyring>;

/** A key pair ready for use. The private half cannot be exported again. */
export interface KeyMaterial {
  readonly kid: KeyId;
  readonly alg: TicketAlgorithm;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** As published: public members, `kid`, `alg`, `use`. */
  readonly publicJwk: JWK;
}

/** Makes a key pair and the row that keeps it, encrypted. */
async function makeKey(
  { current: kek }: SealingKeys,
  facts: Pick<NewSigningKey, 'purpose' | 'generation' | 'createdAt' | 'activatesAt'> & {
    alg: TicketAlgorithm;
  },
  randomBytes: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<NewSigningKey> {
  const { privateKey } = await generateKeyPair(facts.alg, { extractable: true });
  const privateJwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(privateJwk);
  return { ...facts, kid, sealed: await seal(kek, { kid, ...facts }, privateJwk, randomBytes) };
}

/**
 * Opens a row. Answers `undefined` unless the ciphertext opens under the row's own labels and the public half's
 * RFC 7638 thumbprint is the row's `kid`: write access to the database publishes no key.
 */
async function openKey(keks: SealingKeys, row: SigningKeyRow): Promise<KeyMaterial | undefined> {
  const alg = TicketAlgorithm.safeParse(row.alg);
  const opened = await unsealWith(keks, row, row.sealed);
  const privateJwk = opened === undefined ? undefined : readPrivateJwk(opened.text);
  if (!alg.success || privateJwk === undefined) return undefined;
  const { d: _private, ...publicMembers } = privateJwk;
  const kid = KeyId.parse(await calculateJwkThumbprint(publicMembers));
  if (kid !== row.kid) return undefined;
  return {
    kid,
    alg: alg.data,
    privateKey: await importKey(privateJwk, alg.data),
    publicKey: await importKey(publicMembers, alg.data),
    publicJwk: { ...publicMembers, kid, alg: alg.data, use: 'sig' },
  };
}

async function importKey(jwk: JWK, alg: string): Promise<CryptoKey> {
  const key = await importJWK(jwk, alg, { extractable: false });
  if (key instanceof Uint8Array) throw new TypeError('a signing key is never symmetric');
  return key;
}
