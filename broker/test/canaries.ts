/** Secrets of the running tests, to look for where none may be. */

/** The longest part of a secret that a text may hold unnoticed is twice this, less two characters. */
const PIECE = 16;

/** Every piece of a secret, with the secret's beginning: a failing test prints what it finds. */
const pieces = new Map<string, string>();
let count = 0;

/**
 * What nothing but this secret has in it. A JWS of ours begins as the checkpoints of the audit log do, which are kept,
 * and says what rows may say: its signature is the secret. The two cookies of a sign-in have one header.
 */
function ownPart(text: string): string {
  const [, content = '', end = ''] = /^eyJ[\w-]+\.(.*)\.([\w-]+)$/.exec(text) ?? [];
  if (end === '') return text;
  return content.startsWith('.') ? content : end;
}

/** Keeps a secret in mind and answers it, so that making one and remembering it is one expression. */
export function secret(text: string): string {
  if (text.length < PIECE) throw new TypeError('a secret this short is found by chance');
  const own = ownPart(text);
  for (let at = 0; at + PIECE <= own.length; at += PIECE) pieces.set(own.slice(at, at + PIECE), text);
  pieces.set(own.slice(-PIECE), text);
  count += 1;
  return text;
}

/** Which of the secrets a text holds, whole or in part. Answers them cut short. */
export function secretsIn(text: string): string[] {
  const found = new Set<string>();
  for (let at = 0; at + PIECE <= text.length; at += 1) {
    const of = pieces.get(text.slice(at, at + PIECE));
    if (of !== undefined) found.add(`${of.slice(0, 8)}…`);
  }
  return [...found];
}

export const secretCount = (): number => count;
