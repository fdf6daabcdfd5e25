import type { auditEventView } from '../audit/view.ts';
import { iso } from '../http/iso.ts';
import type { Message } from './post.ts';

/** The content of a signed webhook, in the members of Standard Webhooks. */
interface WebhookContent {
  /** The same at each try, so that a receiver can tell a repetition. */
  readonly id: string;
  readonly type: string;
  /** When it happened, ISO 8601. */
  readonly timestamp: string;
  readonly data: object;
}

/** How a secret of Standard Webhooks begins; the rest is base64. */
export const SECRET_PREFIX = 'whsec_';
/** In bytes: the length of a SHA-256 digest. */
const SECRET_BYTES = 32;

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

export const makeWebhookSecret = (randomBytes: (length: number) => Uint8Array<ArrayBuffer>): string =>
  SECRET_PREFIX + base64(randomBytes(SECRET_BYTES));

/**
 * The longest body in UTF-16 units. Every text of an event is bounded where it is written, so no sound event is that
 * long; a receiver must not get text that another party wrote into the database.
 */
const MAX_BODY_LENGTH = 65_536;

/** An event of the audit log as the content of a webhook; without its details where these make it too long. */
export function eventContent(event: ReturnType<typeof auditEventView>): WebhookContent {
  const of = (data: typeof event): WebhookContent => ({
    id: event.event_id,
    type: event.type,
    timestamp: event.at,
    data,
  });
  const whole = of(event);
  return JSON.stringify(whole).length > MAX_BODY_LENGTH
    ? of({ ...event, details: { omitted: true } })
    : whole;
}

/** The content of a test. `now` in ms. */
export const testContent = (webhook: string, id: string, now: number): WebhookContent => ({
  ...{ id: `test_${id}`, type: 'webhook.test', timestamp: iso(now) },
  data: { webhook },
});

/** A message of Standard Webhooks 1.0: the HMAC covers id, time of sending and body. `now` in ms. */
export async function signedWebhook(
  { id, ...content }: WebhookContent,
  secret: string,
  now: number,
): Promise<Message> {
  const body = JSON.stringify(content);
  const sentAt = String(Math.floor(now / 1000));
  const encoder = new TextEncoder();
  const raw = Uint8Array.from(atob(secret.slice(SECRET_PREFIX.length)), (letter) => letter.charCodeAt(0));
  const key = await crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const mac = await crypto.subtle.sign('HMAC', key, encoder.encode(`${id}.${sentAt}.${body}`));
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'agent-ticket-broker',
      'webhook-id': id,
      'webhook-timestamp': sentAt,
      'webhook-signature': `v1,${base64(new Uint8Array(mac))}`,
    },
  };
}
