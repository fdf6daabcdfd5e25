import { clockTime } from '../dom.ts';
import { textOr } from '../json.ts';
import type { ReadTicket } from './ticket-text.ts';

/** One member of a ticket, with what it means to a person. */
export interface ClaimRow {
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

/** Every member of a ticket's header. */
export const headerRows = ({ header }: ReadTicket): ClaimRow[] => rowsOf(header, HEADER, Object.keys(header));

/** What a person wants to know first: who, what, and until when. */
export const mainRows = ({ claims }: ReadTicket): ClaimRow[] => rowsOf(claims, MAIN, []);

/** All the other claims; what is not known comes last, unexplained. */
export const otherRows = ({ claims }: ReadTicket): ClaimRow[] =>
  rowsOf(
    claims,
    OTHER,
    Object.keys(claims).filter((name) => !Object.hasOwn(MAIN, name)),
  );

/** The members that there are words for, in the order of the words, then those of `more` that there are none for. */
function rowsOf(
  members: Readonly<Record<string, unknown>>,
  words: Readonly<Record<string, string>>,
  more: readonly string[],
): ClaimRow[] {
  const known = Object.keys(words).filter((name) => Object.hasOwn(members, name));
  const others = more.filter((name) => !Object.hasOwn(words, name));
  return [...known, ...others].map((name) => ({
    name,
    value: valueText(name, members[name]),
    meaning: words[name] ?? '',
  }));
}

function valueText(name: string, value: unknown): string {
  if (DATES.includes(name) && typeof value === 'number') return `${clockTime(value * 1000)} (${value})`;
  return textOr(value, JSON.stringify(value));
}
