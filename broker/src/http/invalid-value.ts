import { describeValues } from '@agent-ticket/shared/describe-values.ts';
import { err, type Outcome } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';

type JsonSchema = z.core.JSONSchema.BaseSchema;
type Path = readonly PropertyKey[];

/** The OpenAPI document has these texts, too: both are made from the JSON Schema of the route. */
const described = new WeakMap<z.ZodType, JsonSchema>();

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const known = described.get(schema) ?? z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  described.set(schema, known);
  return known;
}

/**
 * Refuses input that a schema did not accept: names the first invalid member and the values that it takes, never the
 * value itself.
 */
export function invalidValue(schema: z.ZodType, input: unknown, { issues }: z.ZodError): Outcome<never> {
  const [issue] = issues;
  const path = issue?.path ?? [];
  const { expected, value } = memberAt(path, jsonSchemaOf(schema), input);
  const field = path.join('.');
  if (issue?.code !== 'unrecognized_keys')
    return err('field_invalid', {
      field: field === '' ? 'body' : field,
      hint: `${value === undefined ? 'it is missing, and ' : 'it '}must be ${describeValues(expected)}`,
    });
  const members = Object.keys(expected.properties ?? {}).join(', ');
  return err('field_invalid', {
    ...(field !== '' && { field }),
    hint: `a member is not known; members are: ${members}`,
  });
}

/** The schema and the value of a member. Of variants, the one whose constants the value has. */
function memberAt(
  [name, ...rest]: Path,
  schema: JsonSchema,
  value: unknown,
): { readonly expected: JsonSchema; readonly value: unknown } {
  const variant = variantOf(schema, value);
  if (name === undefined) return { expected: variant, value };
  const found = typeof name === 'number' ? variant.items : variant.properties?.[String(name)];
  const inner: unknown = Object(value)[name];
  return typeof found === 'object' && !Array.isArray(found)
    ? memberAt(rest, found, inner)
    : { expected: variant, value: inner };
}

function variantOf(schema: JsonSchema, value: unknown): JsonSchema {
  const variants = schema.anyOf ?? schema.oneOf ?? [];
  const isOfValue = ({ properties = {} }: JsonSchema): boolean => {
    const constants = Object.entries(properties).flatMap(([name, member]) =>
      typeof member === 'object' && member.const !== undefined ? [[name, member.const] as const] : [],
    );
    return constants.length > 0 && constants.every(([name, only]) => Object(value)[name] === only);
  };
  return variants.find(isOfValue) ?? schema;
}
