import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import type { WebhookRow } from '@agent-ticket/drizzle/control/webhooks.ts';
import type { SealedText } from '../keys/changes.ts';
import { type SealingKeys, type SealLabel, sealText, unsealWith } from '../keys/seal.ts';

/**
 * The label under which the secret of a webhook is sealed. The secret of another webhook, or a key, does not open in its
 * place.
 */
const labelOf = (id: string): SealLabel => ({ purpose: 'webhook', alg: 'HS256', kid: id });

export const sealSecret = (
  { current }: SealingKeys,
  id: string,
  secret: string,
  randomBytes: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<string> => sealText(current, labelOf(id), secret, randomBytes);

/** `undefined` for a secret that neither key-encryption key opens. */
export const openSecret = async (
  keks: SealingKeys,
  { id, sealed }: Pick<WebhookRow, 'id' | 'sealed'>,
): Promise<string | undefined> => (await unsealWith(keks, labelOf(id), sealed))?.text;

/** The secrets of all webhooks, to be sealed anew. */
export const sealedSecrets = async ({ webhooks }: Pick<ControlStore, 'webhooks'>): Promise<SealedText[]> =>
  (await webhooks.list()).map(({ id, sealed }) => ({
    label: labelOf(id),
    sealed,
    replace: (after) => webhooks.reseal(id, sealed, after),
  }));
