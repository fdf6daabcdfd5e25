import { isOutage } from '@agent-ticket/drizzle/outage.ts';

/** Sends a checkpoint to a place outside the operator's control, so that the end of the log cannot be cut later. */
export type Anchor = (checkpoint: { readonly n: number; readonly jws: string }) => Promise<void>;

interface WebhookPorts {
  readonly fetch: (
    url: string,
    init: { method: 'POST'; headers: Record<string, string>; body: string; signal: AbortSignal },
  ) => Promise<Response>;
  readonly sleep: (ms: number) => Promise<void>;
  /** How long one answer may take, in ms. Left out: 5 s. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5_000;
/** Pauses before the second and the third try. After that the next minute's checkpoint covers this one. */
const PAUSES_MS: readonly number[] = [1_000, 3_000];

/**
 * By POST of the signed text (`application/jose`). Tried three times while nothing answers, or with a 429 or 5xx; any
 * other answer than 2xx, a redirect too, is final. Rejects when it was not taken. Each checkpoint covers those before
 * it, so one that was missed is not sent later.
 */
export const webhookAnchor =
  (url: string, ports: WebhookPorts): Anchor =>
  async ({ jws }) => {
    for (const pause of [...PAUSES_MS, undefined]) {
      const answer = await post(url, jws, ports);
      if (answer === 'taken') return;
      if (pause === undefined || !answer.again) throw new Error(`the anchor ${answer.said}`);
      await ports.sleep(pause);
    }
  };

async function post(
  url: string,
  jws: string,
  { fetch, timeoutMs = TIMEOUT_MS }: WebhookPorts,
): Promise<'taken' | { readonly again: boolean; readonly said: string }> {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/jose' },
      body: jws,
      signal: AbortSignal.timeout(timeoutMs),
    });
    await answer.body?.cancel();
    if (answer.ok) return 'taken';
    return { again: answer.status === 429 || answer.status >= 500, said: `answered ${answer.status}` };
  } catch (error) {
    const late = error instanceof DOMException && error.name === 'TimeoutError';
    if (late || error instanceof TypeError || isOutage(error))
      return { again: true, said: 'does not answer' };
    throw error;
  }
}

/** A bucket as far as an anchor needs one; what an R2 binding is. */
export interface AnchorBucket {
  put(
    key: string,
    value: string,
    options: { onlyIf: Headers; httpMetadata: { contentType: string } },
  ): Promise<unknown>;
}

/** Where the checkpoint with a number is: in their order, so that the newest is the last. */
export const anchorKey = (n: number): string => `checkpoints/${String(n).padStart(12, '0')}.jws`;

/**
 * One object for each checkpoint, never over an earlier one of its number. A lock rule of the bucket keeps the operator
 * from deleting them; nothing here does.
 */
export const bucketAnchor =
  (bucket: AnchorBucket): Anchor =>
  async ({ n, jws }) => {
    await bucket.put(anchorKey(n), jws, {
      // RFC 9110 §13.1.2: only where there is none.
      onlyIf: new Headers({ 'if-none-match': '*' }),
      httpMetadata: { contentType: 'application/jose' },
    });
  };

/** Every one of them, each independent of the others. Rejects when one did not take it. */
export const allAnchors =
  (anchors: readonly Anchor[]): Anchor =>
  async (checkpoint) => {
    const sent = await Promise.allSettled(anchors.map((anchor) => anchor(checkpoint)));
    const failed = sent.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };
