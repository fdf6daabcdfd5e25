import type { TicketPayload } from '@agent-ticket/shared/ticket.ts';
import { isRecord, parseJson } from '../json.ts';

/** Reads tickets for show. Nothing here is verified: the agent worker does that, and the page decides nothing by it. */

/** The claims that the page shows by name. */
type Shown =
  | 'sub'
  | 'jti'
  | 'iat'
  | 'exp'
  | 'agent'
  | 'instance'
  | 'scope'
  | 'role'
  | 'tier'
  | 'session_expiry';

export interface ReadTicket {
  readonly text: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Pick<TicketPayload, Shown> & Readonly<Record<string, unknown>>;
}

export type Found<T> =
  | { readonly ok: true; readonly value: T }
  /** What is wrong and what to do, for a person. */
  | { readonly ok: false; readonly fault: string };

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** The ticket in what somebody pasted: the broker's whole answer, or the ticket alone. */
export function findTicket(pasted: string): Found<ReadTicket> {
  const text = pasted.trim();
  if (text === '') return fault('Paste the ticket first.');
  const answer = text.startsWith('{') ? parseJson(text) : { ticket: text };
  if (!isRecord(answer))
    return fault('That is not a whole answer of the broker. Copy all of it, braces included.');
  if (isRecord(answer.error)) {
    const { code, message } = answer.error;
    return fault(`The broker refused: ${code}, ${message}. Mend that, and paste the next answer.`);
  }
  return typeof answer.ticket === 'string'
    ? readTicket(answer.ticket)
    : fault('There is no ticket in that answer.');
}

export function readTicket(text: string): Found<ReadTicket> {
  const none = fault(
    'That is no ticket. A ticket is three parts of letters and digits with dots between them.',
  );
  if (!COMPACT.test(text)) return none;
  const [header, claims] = text.split('.').map((part) => parseJson(decode(part) ?? ''));
  if (!isRecord(header) || !isRecord(claims)) return none;
  return isShown(claims)
    ? { ok: true, value: { text, header, claims } }
    : fault('That is a signed token, but no ticket of this broker.');
}

const fault = (text: string): { readonly ok: false; readonly fault: string } => ({ ok: false, fault: text });

function isShown(claims: Record<string, unknown>): claims is ReadTicket['claims'] {
  const texts = ['sub', 'jti', 'agent', 'instance', 'scope', 'role', 'tier'];
  const dates = ['iat', 'exp', 'session_expiry'];
  return (
    texts.every((name) => typeof claims[name] === 'string') &&
    dates.every((name) => Number.isSafeInteger(claims[name]))
  );
}

/** base64url (RFC 4648 §5) of UTF-8; `undefined` where it is neither. */
function decode(part: string): string | undefined {
  try {
    const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (c) =>
      c.charCodeAt(0),
    );
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof DOMException || error instanceof TypeError) return undefined;
    throw error;
  }
}
