import fc from 'fast-check';
import * as z from 'zod';

/**
 * Requests to every operation of an OpenAPI document: some as it describes them, most with a fault in one part. What is sent
 * and what is answered has no part in it; a test compares the answers with the document.
 */

const Schema = z.record(z.string(), z.unknown());
type Schema = z.infer<typeof Schema>;
const Parameter = z.object({ name: z.string(), in: z.string(), schema: Schema });
const Operation = z.object({
  parameters: z.array(Parameter).default([]),
  requestBody: z.object({ content: z.record(z.string(), z.object({ schema: Schema })) }).optional(),
});
const Document = z.object({
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
  components: z.object({ schemas: z.record(z.string(), Schema).default({}) }),
});

export interface FuzzedRequest {
  readonly method: string;
  /** With a query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

/** Texts that servers have fallen over. */
const ODD_TEXTS = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  "' OR 1=1; --",
  '../../control',
  '%2e%2e%2f',
  '%',
  '%zz',
  '__proto__',
  'constructor',
  'sub',
  '\ud800',
  '\u202e',
  '\ufeff{}',
  '９',
  'null',
  'a'.repeat(5_000),
  '<script>alert(1)</script>',
  '{{7*7}}',
  '\r\nset-cookie: a=b',
  '2027-99-99T00:00:00Z',
  '-1',
  '1e309',
  '9007199254740993',
  'eyJhbGciOiJub25lIn0.e30.',
  'http://169.254.169.254/',
  'file:///etc/passwd',
] as const;

const oddText = fc.oneof(fc.constantFrom(...ODD_TEXTS), fc.string({ unit: 'binary', maxLength: 200 }));

const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  oddText,
  fc.constantFrom(null, true, false, 0, -1, 1.5, 2 ** 53, -(2 ** 31), 1e308, [], {}, [[]], [null]),
  fc.constant(JSON.parse('{"__proto__":{"admin":true},"constructor":{}}')),
  fc.jsonValue({ maxDepth: 3 }),
);

/** The schemas of a document, and values of the deployment that is asked, by the names of members and parameters. */
interface Known {
  readonly schemas: Readonly<Record<string, Schema>>;
  readonly values: Readonly<Record<string, readonly string[]>>;
}

/** A value of the deployment where there is one by that name, or any that the schema describes. */
function validMember(name: string, schema: Schema, known: Known): fc.Arbitrary<unknown> {
  const [first, ...others] = known.values[name] ?? [];
  const any = valid(schema, known);
  return first === undefined
    ? any
    : fc.oneof({ weight: 3, arbitrary: fc.constantFrom(first, ...others) }, { weight: 1, arbitrary: any });
}

/** Values that a schema describes. Of its words those are read that the documents here use. */
function valid(schema: Schema, known: Known): fc.Arbitrary<unknown> {
  const inner = (value: unknown): fc.Arbitrary<unknown> => valid(Schema.parse(value), known);
  const listOf = (value: unknown): readonly Schema[] => z.array(Schema).parse(value);
  if (typeof schema.$ref === 'string') return inner(known.schemas[schema.$ref.split('/').at(-1) ?? '']);
  if ('const' in schema) return fc.constant(schema.const);
  if (Array.isArray(schema.enum)) return fc.constantFrom(...z.array(z.unknown()).parse(schema.enum));
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices !== undefined) return fc.oneof(...listOf(choices).map(inner));
  const { min = 0, max = 2 ** 31 } = { min: schema.minimum, max: schema.maximum };
  switch (schema.type) {
    case 'object': {
      const { properties = {}, required = [] } = z
        .object({
          properties: z.record(z.string(), Schema).optional(),
          required: z.array(z.string()).optional(),
        })
        .parse(schema);
      const members = Object.fromEntries(
        Object.entries(properties).map(([name, each]) => [name, validMember(name, each, known)]),
      );
      return fc.record(members, { requiredKeys: required });
    }
    case 'array':
      return fc.array(inner(schema.items ?? { type: 'string' }), {
        minLength: Number(schema.minItems ?? 0),
        maxLength: Math.min(Number(schema.maxItems ?? 3), 3),
      });
    case 'integer':
    case 'number':
      return fc.integer({ min: Math.max(Number(min), -(2 ** 31)), max: Math.min(Number(max), 2 ** 31 - 1) });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return textOf(schema);
  }
}

function textOf({ format, pattern, minLength, maxLength }: Schema): fc.Arbitrary<string> {
  if (format === 'uuid') return fc.uuid();
  if (format === 'date-time')
    return fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
      .map((at) => at.toISOString());
  if (format === 'uri')
    return fc.constantFrom('https://agents.test/agents/counter/main', 'https://other.example/a');
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern));
  return fc.string({
    minLength: Math.min(Number(minLength ?? 0), 40),
    maxLength: Math.min(Number(maxLength ?? 40), 40),
  });
}

/** A body that is right, that has one member changed, added, left out or doubled, or that is none. */
function bodyOf(schema: Schema, known: Known): fc.Arbitrary<string> {
  const right = valid(schema, known).map((value): Readonly<Record<string, unknown>> => Object(value));
  const names = Object.keys(Object(schema.properties ?? {}));
  const name = names.length === 0 ? fc.constant('member') : fc.constantFrom(...names);
  return fc.oneof(
    { weight: 3, arbitrary: right.map((value) => JSON.stringify(value)) },
    {
      weight: 4,
      arbitrary: fc
        .tuple(right, name, oddValue)
        .map(([value, at, odd]) => JSON.stringify({ ...value, [at]: odd })),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(right, oddText, oddValue)
        .map(([value, at, odd]) => JSON.stringify({ ...value, [at]: odd })),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(right, name)
        .map(([{ ...value }, at]) => JSON.stringify({ ...value, [at]: undefined })),
    },
    {
      weight: 1,
      arbitrary: right.map((value) => JSON.stringify(value).replace(/^\{("[^"]*":[^,}]*)/, '{$1,$1')),
    },
    { weight: 1, arbitrary: oddValue.map((value) => JSON.stringify(value) ?? '') },
    { weight: 1, arbitrary: oddText },
    {
      weight: 1,
      arbitrary: fc.constantFrom('{', '[', '"', '{"a":1}{"a":1}', '[['.repeat(3_000), 'x'.repeat(20_000)),
    },
  );
}

/** The same as a form. */
const formOf = (json: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  json.map((text) => {
    const value: unknown = (() => {
      try {
        return JSON.parse(text);
      } catch {
        return undefined;
      }
    })();
    if (typeof value !== 'object' || value === null) return text;
    return new URLSearchParams(
      Object.entries(value).map(([name, each]): [string, string] => [
        name,
        typeof each === 'string' ? each.toWellFormed() : JSON.stringify(each),
      ]),
    ).toString();
  });

const encoded = (text: string): string => encodeURIComponent(text.toWellFormed());

/** What a client may put into a path: a right value, an odd one encoded, or text that is no part of a path. */
const segmentOf = (name: string, schema: Schema, known: Known): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 4, arbitrary: validMember(name, schema, known).map((value) => encoded(String(value))) },
    { weight: 3, arbitrary: oddText.map(encoded) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('%', '%zz', '%c0%af', '%2f', '.', '..', ';a=b', '%00', ':', '*'),
    },
  );

const pathOf = (
  path: string,
  parameters: readonly z.infer<typeof Parameter>[],
  known: Known,
): fc.Arbitrary<string> => {
  const parts = path.split(/(\{\w+\})/).map((part) => {
    const name = /^\{(\w+)\}$/.exec(part)?.[1];
    const { schema = { type: 'string' } } =
      parameters.find((each) => each.in === 'path' && each.name === name) ?? {};
    return name === undefined ? fc.constant(part) : segmentOf(name, schema, known);
  });
  const whole = fc.tuple(...parts).map((each) => each.join(''));
  const spelled = whole.chain((text) =>
    fc.constantFrom(
      `${text}/`,
      `/${text}`,
      text.toUpperCase(),
      text.replace('/', '/./'),
      `${text}%20`,
      `${text};a`,
    ),
  );
  return fc.oneof({ weight: 9, arbitrary: whole }, { weight: 1, arbitrary: spelled });
};

function queryOf(parameters: readonly z.infer<typeof Parameter>[], known: Known): fc.Arbitrary<string> {
  const named = parameters.filter((each) => each.in === 'query');
  const pair = (name: string, value: string): string => `${encoded(name)}=${encoded(value)}`;
  const right = named.map(({ name, schema }) =>
    validMember(name, schema, known).map((value) => pair(name, String(value))),
  );
  const odd = [...named.map(({ name }) => name), 'probe'].map((name) =>
    oddText.map((value) => pair(name, value)),
  );
  const one = fc.oneof(
    ...right,
    ...right,
    ...odd,
    fc.constantFrom('%', '=', '&&', 'limit=1&limit=2', 'a[]=1', 'cursor=e30'),
  );
  return fc.oneof(
    // Most routes take no parameter, and refuse any.
    { weight: named.length === 0 ? 20 : 2, arbitrary: fc.constant('') },
    {
      weight: 3,
      arbitrary: fc
        .array(one, { maxLength: 3 })
        .map((pairs) => (pairs.length === 0 ? '' : `?${pairs.join('&')}`)),
    },
  );
}

/** Headers that change how a request is read. None of them is a credential. */
const ODD_HEADERS: readonly Readonly<Record<string, string>>[] = [
  {},
  {},
  {},
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { 'x-http-method-override': 'DELETE' },
  { 'content-encoding': 'gzip' },
  { accept: 'text/html' },
  { accept: '*/*;q=x' },
  { 'accept-language': ',;q=' },
  { range: 'bytes=0-0' },
  { 'if-none-match': '*' },
  { 'if-modified-since': 'never' },
  { 'x-forwarded-host': 'evil.example' },
  { 'x-forwarded-proto': 'http' },
  { 'x-original-url': '/admin/keys' },
  { cookie: 'appSession=x; CF_Authorization=x' },
  { cookie: '=; ;;=' },
  { 'sec-fetch-site': 'cross-site' },
  { 'cf-access-authenticated-user-email': 'root@example.com' },
  { upgrade: 'websocket', connection: 'Upgrade' },
];

const TYPES = [
  'application/json; charset=utf-16',
  'text/plain',
  'multipart/form-data; boundary=x',
  'application/',
  '',
];

/**
 * @param text an OpenAPI document as JSON.
 * @param values what the deployment has, by the names of members and parameters: slugs, ids.
 */
export function requestsOf(text: string, values: Known['values'] = {}): fc.Arbitrary<FuzzedRequest> {
  const { paths, components } = Document.parse(JSON.parse(text));
  const known: Known = { schemas: components.schemas, values };
  const each = Object.entries(paths).flatMap(([path, operations]) =>
    METHODS.filter((method) => method in operations).map((method) => {
      const { parameters, requestBody } = Operation.parse(operations[method]);
      const [[type, media] = []] = Object.entries(requestBody?.content ?? {});
      const json = bodyOf(media?.schema ?? { type: 'object' }, known);
      const isForm = type === 'application/x-www-form-urlencoded';
      return fc
        .record({
          method: fc.oneof(
            { weight: 9, arbitrary: fc.constant(method.toUpperCase()) },
            {
              weight: 1,
              arbitrary: fc.constantFrom(
                'GET',
                'HEAD',
                'POST',
                'PUT',
                'PATCH',
                'DELETE',
                'OPTIONS',
                'PROPFIND',
              ),
            },
          ),
          path: pathOf(path, parameters, known),
          query: queryOf(parameters, known),
          headers: fc.constantFrom(...ODD_HEADERS),
          body: isForm ? formOf(json) : json,
          type: fc.oneof(
            { weight: 9, arbitrary: fc.constant(type ?? 'application/json') },
            { weight: 1, arbitrary: fc.constantFrom(...TYPES) },
          ),
        })
        .map(({ query, body, type: given, ...request }): FuzzedRequest => {
          const hasBody = !['GET', 'HEAD'].includes(request.method) && type !== undefined;
          return {
            ...{ ...request, path: `${request.path}${query}` },
            headers: hasBody ? { ...request.headers, 'content-type': given } : request.headers,
            ...(hasBody && { body: body.toWellFormed() }),
          };
        });
    }),
  );
  return fc.oneof(...each);
}
