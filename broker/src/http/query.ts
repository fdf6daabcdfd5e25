import { CONTROL_CHARACTER } from '@agent-ticket/shared/describe-values.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { invalidValue } from './invalid-value.ts';

/** The parameters that a route knows, or the reason for which it accepts all others too. */
export type QueryRule = z.ZodObject | { readonly ignored: string };

export const NO_PARAMETERS = z.object({});

/** Names that may be repeated in a refusal: no credential is that short or has this alphabet alone. */
const PLAIN_NAME = /^[A-Za-z][A-Za-z_]{0,31}$/;

/**
 * Refuses a query that a handler would read differently from the caller: with a filter that is misspelt, empty or
 * overruled by a second one, the answer would be about everything. Does NOT read the values.
 */
export function checkQuery(url: string, rule: QueryRule): Outcome<undefined> {
  if ('ignored' in rule || !url.includes('?')) return ok(undefined);
  const known = Object.keys(rule.shape);
  const seen = new Set<string>();
  for (const [name, value] of new URL(url).searchParams) {
    const refused = (hint: string): Outcome<never> =>
      err('field_invalid', PLAIN_NAME.test(name) ? { field: name, hint } : { hint });
    if (!known.includes(name))
      return refused(
        known.length === 0 ? 'this route takes no parameters' : `parameters are: ${known.join(', ')}`,
      );
    if (seen.has(name)) return refused('the parameter came twice');
    if (value === '') return refused('the parameter is empty: leave it out');
    if (CONTROL_CHARACTER.test(value)) return refused('it holds a control character');
    seen.add(name);
  }
  return ok(undefined);
}

/**
 * Reads the parameters of a query that {@link checkQuery} accepted; names the first invalid parameter, with its form.
 */
export function readQuery<T>(url: string, schema: z.ZodType<T>): Outcome<T> {
  return readNamed(Object.fromEntries(new URL(url).searchParams), schema);
}

/** Reads the parameters of a path, which the row of the route has as `params`. */
export const readParams = <T>({ params }: { readonly params: object }, schema: z.ZodType<T>): Outcome<T> =>
  readNamed(params, schema);

function readNamed<T>(given: object, schema: z.ZodType<T>): Outcome<T> {
  const read = schema.safeParse(given);
  return read.success ? ok(read.data) : invalidValue(schema, given, read.error);
}

/** A number of a query: decimal digits alone, and no other spelling that JavaScript knows. */
export const decimal = <T extends z.ZodType>(number: T) =>
  z.preprocess((text) => (typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : text), number);

/** A moment in RFC 3339, read in ms. */
export const Time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
