import type { JSONSchema } from 'zod/v4/core';

/** The words for what a pattern means, as a member of a schema's `meta` and of its JSON Schema. */
export const VALUES = 'x-values';

/**
 * Characters that a log line, a table or a terminal does not show as they are: controls, line separators and the
 * overrides of the direction of writing. No text of a request has one.
 */
export const CONTROL_CHARACTER = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/**
 * The values that a JSON Schema accepts, for the sentence "it must be …": of a pattern the words that its schema has as
 * {@link VALUES}. Formats are those of our requests.
 */
export function describeValues(schema: JSONSchema.BaseSchema): string {
  const { [VALUES]: words, const: only, enum: choices, anyOf, oneOf, type, format } = schema;
  if (typeof words === 'string') return words;
  if (only !== undefined) return String(only);
  if (choices !== undefined) return oneOfThese(choices.map(String));
  const variants = anyOf ?? oneOf;
  if (variants !== undefined) return oneOfThese(variants.map(describeValues));
  if (type === 'integer' || type === 'number')
    return `a whole number${range(schema.minimum, bound(schema.maximum), ', ')}`;
  if (type === 'array') return describeList(schema);
  if (type === 'object') return 'an object';
  if (type === 'boolean') return 'true or false';
  return (
    FORMATS[format ?? ''] ??
    `a text${range(schema.minLength, schema.maxLength, ' of ', ' characters')} without control characters`
  );
}

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': 'a time with its zone, such as 2026-11-29T14:05:00Z',
  email: 'an e-mail address',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  uuid: 'a UUID',
};

function describeList({ items, minItems, maxItems }: JSONSchema.BaseSchema): string {
  const list = `a list${range(minItems, maxItems, ' of ')}`;
  return typeof items === 'object' && !Array.isArray(items) ? `${list}, each ${describeValues(items)}` : list;
}

function range(least: number | undefined, most: number | undefined, before: string, after = ''): string {
  if (most === undefined) return least === undefined ? '' : `${before}${least} or more${after}`;
  return `${before}${least === undefined ? 'at most' : `${least} to`} ${most}${after}`;
}

/** Zod writes its own bound of whole numbers. */
const bound = (most: number | undefined) => (most === Number.MAX_SAFE_INTEGER ? undefined : most);

const oneOfThese = (words: readonly string[]): string =>
  words.length < 3 ? words.join(' or ') : `one of ${words.join(', ')}`;
