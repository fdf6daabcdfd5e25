import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import type { TicketPayload } from '@agent-ticket/shared/ticket.ts';
import { isRecord, textOr } from './broker.ts';
import { clockTime, elementOf, make, showContent } from './dom.ts';

/** The claims that the page shows by name. */
type NamedClaim =
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

/** A decoded ticket. NOT verified: the agent worker does that, and the page decides nothing by it. */
export interface DecodedTicket {
  readonly text: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Pick<TicketPayload, NamedClaim> & Readonly<Record<string, unknown>>;
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  /** The fault and its remedy, for a person. */
  | { readonly ok: false; readonly error: string };

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** The ticket in a pasted text: the broker's whole answer, or the ticket alone. */
export function findTicket(pasted: string): Parsed<DecodedTicket> {
  const text = pasted.trim();
  if (text === '') return invalid('Paste the ticket first.');
  const answer = text.startsWith('{') ? parseJson(text) : { ticket: text };
  if (!isRecord(answer))
    return invalid('That is not a whole answer of the broker. Copy all of it, braces included.');
  if (isRecord(answer.error)) {
    const { code, message } = answer.error;
    return invalid(`The broker refused: ${code}, ${message}. Mend that, and paste the next answer.`);
  }
  return typeof answer.ticket === 'string'
    ? decodeTicket(answer.ticket)
    : invalid('There is no ticket in that answer.');
}

export function decodeTicket(text: string): Parsed<DecodedTicket> {
  const none = invalid(
    'That is no ticket. A ticket is three parts of letters and digits with dots between them.',
  );
  if (!COMPACT.test(text)) return none;
  const [header, claims] = text.split('.').map((part) => parseJson(decode(part) ?? ''));
  if (!isRecord(header) || !isRecord(claims)) return none;
  return hasNamedClaims(claims)
    ? { ok: true, value: { text, header, claims } }
    : invalid('That is a signed token, but no ticket of this broker.');
}

const invalid = (error: string): { readonly ok: false; readonly error: string } => ({ ok: false, error });

function hasNamedClaims(claims: Record<string, unknown>): claims is DecodedTicket['claims'] {
  const texts = ['sub', 'jti', 'agent', 'instance', 'scope', 'role', 'tier'];
  const dates = ['iat', 'exp', 'session_expiry'];
  return (
    texts.every((name) => typeof claims[name] === 'string') &&
    dates.every((name) => Number.isSafeInteger(claims[name]))
  );
}

/** base64url (RFC 4648 §5) of UTF-8; `undefined` for anything else. */
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

/** One member of a ticket with its explanation. */
interface ClaimRow {
  readonly name: string;
  readonly value: string;
  readonly meaning: string;
}

const HEADER: Readonly<Record<string, string>> = {
  alg: 'How it is signed. A key has one algorithm, so a ticket cannot choose another.',
  typ: 'What kind of token it is. A session or access token is never taken for a ticket.',
  kid: 'Which of the broker’s published keys signed it.',
};

const MAIN: Readonly<Record<string, string>> = {
  sub: 'Who it is for, by issuer and subject, never by e-mail.',
  agent: 'The agent that it opens.',
  instance: 'The one instance of that agent.',
  scope: 'What frames of the socket may do. Each frame is checked.',
  role: 'The role that the scopes came from. A label: nothing later asks for it.',
  jti: 'Its own number. The agent’s object burns it: it opens one session, once.',
  exp: 'Not good for opening a socket after.',
  session_expiry: 'When a session that it opens ends, unless it is renewed.',
};

const OTHER: Readonly<Record<string, string>> = {
  iss: 'The broker that made it.',
  aud: 'The agent worker that it is for, and no other.',
  iat: 'When it was made.',
  nbf: 'Not good before.',
  tier: 'Sets limits, such as how many tickets a minute.',
  transport: 'A socket, or plain requests. One is no use for the other.',
  client_id: 'The OAuth client that asked for it.',
  act: 'Who acts for the person.',
  rev: 'The newest change of policy that the decision knew. A later change can revoke it.',
  grant: 'The stored grant that decided. It ends with that grant.',
  login: 'The browser’s sign-in. It ends with that sign-in.',
};

const DATES = ['iat', 'nbf', 'exp', 'session_expiry'];

interface TicketRows {
  /** Every member of the header. */
  readonly header: readonly ClaimRow[];
  /** The most important claims: principal, rights and expiry. */
  readonly main: readonly ClaimRow[];
  /** All the other claims; unknown ones come last, without an explanation. */
  readonly other: readonly ClaimRow[];
}

export const rowsOf = ({ header, claims }: DecodedTicket): TicketRows => ({
  header: explainMembers(header, HEADER, Object.keys(header)),
  main: explainMembers(claims, MAIN, []),
  other: explainMembers(
    claims,
    OTHER,
    Object.keys(claims).filter((name) => !Object.hasOwn(MAIN, name)),
  ),
});

/** The members with an explanation, in its order, then those of `more` without one. */
function explainMembers(
  members: Readonly<Record<string, unknown>>,
  meanings: Readonly<Record<string, string>>,
  more: readonly string[],
): ClaimRow[] {
  const known = Object.keys(meanings).filter((name) => Object.hasOwn(members, name));
  const others = more.filter((name) => !Object.hasOwn(meanings, name));
  return [...known, ...others].map((name) => ({
    name,
    value: valueText(name, members[name]),
    meaning: meanings[name] ?? '',
  }));
}

function valueText(name: string, value: unknown): string {
  if (DATES.includes(name) && typeof value === 'number') return `${clockTime(value * 1000)} (${value})`;
  return textOr(value, JSON.stringify(value));
}

/** The remaining life of a ticket. */
interface TicketTime {
  readonly text: string;
  /** 1 at its issue, 0 at its expiry. */
  readonly left: number;
  readonly expired: boolean;
}

/** `nowSeconds`, `iat` and `exp` in seconds since 1970. */
export function ticketTime({ iat, exp }: { iat: number; exp: number }, nowSeconds: number): TicketTime {
  const seconds = Math.max(0, Math.ceil(exp - nowSeconds));
  if (seconds === 0) return { text: 'Expired', left: 0, expired: true };
  const left = Math.min(1, (exp - nowSeconds) / (exp - iat));
  return { text: `Expires in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}`, left, expired: false };
}

/** Seconds before the expiry that a screen reader announces: each second would be too many. */
const ANNOUNCED = [30, 10, 0];

/** The announcement that became due between two times, if any. */
export const announcementBetween = (exp: number, before: number, nowSeconds: number): number | undefined =>
  ANNOUNCED.find((moment) => exp - before > moment && exp - nowSeconds <= moment);

interface TicketPanel {
  /** Shows a ticket and its remaining time, in place of the previous one. */
  show(ticket: DecodedTicket): void;
  markUsed(ticket: DecodedTicket): void;
}

export function createTicketPanel(): TicketPanel {
  const section = elementOf(document, '#ticket', HTMLElement);
  const text = elementOf(section, '#time-text', HTMLElement);
  const bar = elementOf(section, '#time-left', HTMLProgressElement);
  const announcement = elementOf(section, '#time-announcement', HTMLElement);
  let current: DecodedTicket | undefined;
  let usedAt: number | undefined;
  let updatedAt = 0;

  function update(): void {
    if (current === undefined) return;
    const { claims } = current;
    const nowSeconds = Date.now() / 1000;
    const time = ticketTime(claims, nowSeconds);
    text.textContent = usedAt === undefined ? time.text : `Used at ${clockTime(usedAt)}. ${time.text}`;
    bar.value = time.left;
    const seconds = announcementBetween(claims.exp, updatedAt, nowSeconds);
    if (seconds !== undefined && usedAt === undefined)
      announcement.textContent =
        seconds === 0 ? 'The ticket has expired.' : `The ticket expires in ${seconds} seconds.`;
    updatedAt = nowSeconds;
  }
  setInterval(update, 500);

  return {
    show(ticket) {
      current = ticket;
      usedAt = undefined;
      updatedAt = Date.now() / 1000;
      showContent(section);
      const rows = rowsOf(ticket);
      elementOf(section, '#header', HTMLElement).replaceChildren(...rows.header.map(rowElement));
      elementOf(section, '#claims', HTMLElement).replaceChildren(...rows.main.map(rowElement));
      elementOf(section, '#claims-more', HTMLElement).replaceChildren(...rows.other.map(rowElement));
      elementOf(section, '#raw', HTMLElement).replaceChildren(...partsOf(ticket.text));
      update();
      const { agent, instance } = ticket.claims;
      announcement.textContent = `A ticket for ${agent}, instance ${instance}. ${text.textContent}.`;
      section.scrollIntoView({ block: 'nearest' });
    },
    markUsed(ticket) {
      if (ticket !== current || usedAt !== undefined) return;
      usedAt = Date.now();
      update();
    },
  };
}

function rowElement({ name, value, meaning }: ClaimRow): HTMLElement {
  const term = make('dt', make('code', name));
  const about = make('p', meaning);
  about.className = 'meaning';
  return make('div', term, make('dd', make('p', value), about));
}

/** Header, claims and signature, distinguished by colour and by the dots between them. */
function partsOf(text: string): (string | Node)[] {
  return text.split('.').flatMap((part, index) => {
    const element = make('span', part);
    element.className = `part-${index}`;
    return index === 0 ? [element] : ['.', element];
  });
}
