import type { Keyring } from './keyring.ts';
import { seal, unsealWith } from './seal.ts';

/** What came of sealing every key with the present key-encryption key. */
export interface ResealReport {
  readonly resealed: number;
  /** Sealed with the present one already. */
  readonly current: number;
  /** `kid`s that neither key-encryption key opens. While there are any, the previous one may still be missed. */
  readonly unreadable: readonly string[];
}

/** Seals the keys of one purpose anew. May be repeated, and stopped at any row. `now` in ms. */
export async function reseal(
  keyring: Keyring,
  now: number,
  randomBytes: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<ResealReport> {
  const keks = await keyring.sealingKeys();
  const counts = { resealed: 0, current: 0 };
  const unreadable: string[] = [];
  for (const row of await keyring.rows(now)) {
    if (row.revokedAt !== null) continue;
    const opened = await unsealWith(keks, row, row.sealed);
    if (opened === undefined) unreadable.push(row.kid);
    else if (opened.by === 'current') counts.current += 1;
    else {
      const sealed = await seal(keks.current, row, opened.jwk, randomBytes);
      if (await keyring.keys.reseal(row.kid, row.sealed, sealed)) counts.resealed += 1;
    }
  }
  keyring.forget();
  return { ...counts, unreadable };
}
