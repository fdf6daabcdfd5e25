/** Shows a checkpoint to a place that the operator does not rule, so that the end of the log cannot be cut later. */
export type Anchor = (checkpoint: { readonly jws: string }) => Promise<void>;

interface AnchorRequest {
  method: 'POST';
  headers: Record<string, string>;
  body: string;
  signal: AbortSignal;
}

const TIMEOUT_MS = 5_000;

/** By POST of the signed text. Each checkpoint covers those before it: one that is not taken is not repeated. */
export const webhookAnchor =
  (url: string, fetch: (url: string, init: AnchorRequest) => Promise<Response>): Anchor =>
  async ({ jws }) => {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/jose' },
      body: jws,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`the anchor answered ${answer.status}`);
  };
