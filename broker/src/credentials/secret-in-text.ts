import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import { base64url } from 'jose';
import * as z from 'zod';
import { readBasic } from './presented.ts';

/** What a compact JWS or JWE begins with (RFC 7515 §4, RFC 7516 §4). */
const JoseHeader = z.looseObject({ alg: z.string() });
/** Where a header may begin in base64url: `{"`, `{ ` or `{` and a line break. Not within a word. */
const HEADER_START = /(?<![A-Za-z0-9])e[wy]/g;
/** Texts are long and made by anybody: no part is decoded more often than this. */
const MAX_STARTS = 4;

/**
 * A service token's secret, or enough of one to guess the rest: with a wrong, missing or additional character, or cut
 * short. The checksum is not compared, since a typo is no reason to store the other characters.
 */
const SECRET = /atk_[0-9A-Za-z]{20,24}_?[0-9A-Za-z]{32}/;

/** The secret of a webhook, or most of it. */
const WEBHOOK_SECRET = /whsec_[A-Za-z0-9+/]{32}/;

/** The token in the URL of a callback, whole or with most of its MAC. */
const CALLBACK_TOKEN = /acb_v\d+\.[\w-]+\.[0-9a-f-]{36}\.\d+\.[\w-]{32}/;

/**
 * Whether a text has a credential in it, as happens when somebody pastes from the wrong window: a service token's
 * secret, by itself or in a header of Basic, that of a webhook, the token of a callback, or a JWT, a ticket or a session cookie in compact
 * form. For input that is refused for it, so it must not find one where there is none; `redact` of shared/, for texts that
 * are stored in any case, takes everything out that looks like one. Does NOT find client ids, keys or passwords of other
 * systems, and nothing that somebody hides on purpose.
 */
export const containsCredential = (text: string): boolean =>
  SECRET.test(text) ||
  CALLBACK_TOKEN.test(text) ||
  WEBHOOK_SECRET.test(text) ||
  [...text.matchAll(/\bbasic\s+([A-Za-z0-9+/]+={0,2})/gi)].some(([, encoded = '']) => isOurs(encoded)) ||
  text.split(/[^A-Za-z0-9_.-]+/).some(holdsCompactJose);

function isOurs(encoded: string): boolean {
  const basic = readBasic(encoded);
  return basic.ok && basic.value.kind === 'client-secret' && SECRET.test(basic.value.secret);
}

/** Three parts of which the first is a header; an encrypted one has five, and may have its second empty. */
function holdsCompactJose(run: string): boolean {
  const parts = run.split('.');
  return parts.slice(0, -2).some(endsInHeader);
}

const endsInHeader = (part: string): boolean =>
  [...part.matchAll(HEADER_START)]
    .slice(0, MAX_STARTS)
    .map(({ index }) => part.slice(index))
    // One character more than whole bytes is no base64url at all.
    .some(
      (text) => text.length % 4 !== 1 && JoseHeader.safeParse(readStrictJson(base64url.decode(text))).success,
    );

/**
 * Refuses input that would be kept with a credential in it, and names the member, never the text. `input` has been read
 * by a schema, so that the names of its members are ours.
 */
export function refuseCredentials<T>(input: T): Outcome<T> {
  const field = memberWhere(input, containsCredential);
  return field === undefined
    ? ok(input)
    : err('secret_in_text', { field, hint: 'it holds what looks like a credential' });
}

/** Path of the first text in a value for which the condition holds; `undefined` where there is none. */
export function memberWhere(
  value: unknown,
  holds: (text: string) => boolean,
  name?: string,
): string | undefined {
  if (typeof value === 'string') return holds(value) ? (name ?? 'body') : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [member, inner] of Object.entries(value)) {
    // A text of a list is named as the list.
    const isOfList = Array.isArray(value) && typeof inner === 'string';
    const path = name === undefined ? member : isOfList ? name : `${name}.${member}`;
    const found = memberWhere(inner, holds, path);
    if (found !== undefined) return found;
  }
  return undefined;
}
