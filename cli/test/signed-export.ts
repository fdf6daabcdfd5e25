import { CHAIN_START, chainOn } from '@agent-ticket/broker/src/audit/chain.ts';
import { signCheckpoint } from '@agent-ticket/broker/src/audit/checkpoint.ts';
import type { KeyMaterial } from '@agent-ticket/broker/src/keys/keyring.ts';
import { KeyId } from '@agent-ticket/shared/names.ts';
import { exportJWK, generateKeyPair } from 'jose';

const KID = KeyId.parse('k'.repeat(43));

/**
 * An export of two events under one checkpoint, with the keys that prove it. `later` is the log from that checkpoint on,
 * with one event more, which says that the first event was purged.
 */
export async function signedExport(userAgent?: string) {
  const pair = await generateKeyPair('ES256', { extractable: true });
  const publicJwk = { ...(await exportJWK(pair.publicKey)), kid: KID, alg: 'ES256', use: 'sig' };
  const material: KeyMaterial = { kid: KID, alg: 'ES256', ...pair, publicJwk };
  const events = [1, 2].map((seq) => ({ seq, type: 'ticket.issued', user_agent: userAgent }));
  let head = CHAIN_START;
  for (const event of events) head = chainOn(head, event) ?? '';
  const run = { iss: 'https://broker.test', iat: 1, n: 1, through: 2, count: 2, previous: CHAIN_START };
  const jws = await signCheckpoint({ ...run, hash: head }, material);
  const purge = { seq: 3, type: 'audit.purged', details: { from: 1, through: 1 } };
  const next = { ...run, n: 2, through: 3, count: 1, previous: head, hash: chainOn(head, purge) ?? '' };
  const anchor = await signCheckpoint(next, material);
  const lines = [
    ...events.map((event) => JSON.stringify({ event })),
    JSON.stringify({ checkpoint: { n: 1, jws } }),
  ];
  const later = [
    ...lines.slice(-1),
    JSON.stringify({ event: purge }),
    JSON.stringify({ checkpoint: { n: 2, jws: anchor } }),
  ];
  return { lines, jws, later, anchor, keySet: { keys: [publicJwk] } };
}
