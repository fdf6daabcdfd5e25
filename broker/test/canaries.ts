/** Secrets of the running tests, to look for where none may be. */

const secrets = new Set<string>();

/** Keeps a secret in mind and answers it, so that making one and remembering it is one expression. */
export function secret(text: string): string {
  if (text.length < 16) throw new TypeError('a secret this short is found by chance');
  secrets.add(text);
  return text;
}

/** Which of the secrets a text holds. Answers them cut short: a failing test prints what it finds. */
export const secretsIn = (text: string): string[] =>
  [...secrets].filter((one) => text.includes(one)).map((one) => `${one.slice(0, 8)}…`);

export const secretCount = (): number => secrets.size;
