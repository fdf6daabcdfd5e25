import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';

/** A client id and a secret as they came. */
export interface ClientSecret {
  readonly kind: 'client-secret';
  readonly clientId: string;
  readonly secret: string;
}

/**
 * HTTP Basic as OAuth clients send it: id and secret form-urlencoded, joined by the first colon, then base64
 * (RFC 6749 §2.3.1, RFC 7617 §2).
 */
export function readBasic(encoded: string): Outcome<ClientSecret> {
  const malformed = err('credential_malformed', { hint: 'Basic takes base64 of client_id:client_secret' });
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0)),
    );
    const colon = text.indexOf(':');
    if (colon < 1) return malformed;
    const [clientId = '', secret = ''] = [text.slice(0, colon), text.slice(colon + 1)].map(formDecode);
    return ok({ kind: 'client-secret', clientId, secret });
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException || error instanceof URIError)
      return malformed;
    throw error;
  }
}

const formDecode = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));
