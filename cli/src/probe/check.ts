import * as z from 'zod';
import type { Seen } from './socket.ts';
import type { Answer, Target } from './target.ts';

/** The result of a check. Undefined: it passed. Otherwise a fault, or the reason why it could not run. */
export type Finding = undefined | { readonly fault: string } | { readonly skipped: string };

/** One statement about a deployment, and the code that checks it. */
export interface Check {
  /** A statement about behaviour, which is true or false. */
  readonly name: string;
  /** The source of the requirement: a clause of a standard, or a page of the documentation. */
  readonly clause: string;
  readonly run: (target: Target) => Promise<Finding>;
}

export const fault = (text: string): Finding => ({ fault: text });
export const skipped = (why: string): Finding => ({ skipped: why });

/** A requirement of an answer. Returns undefined if the answer meets it, and otherwise the observed behaviour. */
export type Requirement<Subject = Answer> = (seen: Subject) => string | undefined;

/** Returns the first requirement that is not met. */
export function judge<Subject>(seen: Subject, requirements: readonly Requirement<Subject>[]): Finding {
  for (const requirement of requirements) {
    const text = requirement(seen);
    if (text !== undefined) return fault(text);
  }
  return undefined;
}

export const status =
  (...wanted: readonly number[]): Requirement =>
  (answer) =>
    wanted.includes(answer.status)
      ? undefined
      : `answered ${answer.status} in place of ${wanted.join(' or ')}`;

/** @param wanted undefined: the header is absent. */
export const header =
  (name: string, wanted: RegExp | undefined): Requirement =>
  ({ headers }) => {
    const value = headers.get(name);
    if (wanted === undefined) return value === null ? undefined : `has ${name}: ${value}`;
    return value !== null && wanted.test(value) ? undefined : `${name} is ${value ?? 'missing'}`;
  };

export const body =
  (shape: z.ZodType): Requirement =>
  (answer) => {
    const read = shape.safeParse(answer.body);
    if (read.success) return undefined;
    const [issue] = read.error.issues;
    return `the body differs at ${issue?.path.join('.') || 'its top'}: ${issue?.message}`;
  };

export const isNotStored = header('cache-control', /\bno-store\b/);

const ErrorBody = z.strictObject({
  error: z.strictObject({ code: z.string(), message: z.string(), request_id: z.string() }),
});

/** A refusal in the format of this API: status, code, the same request id in body and header, and `no-store`. */
export const refusal = (wantedStatus: number, code: string): readonly Requirement[] => [
  status(wantedStatus),
  body(ErrorBody),
  (answer) => {
    const seen = ErrorBody.parse(answer.body).error;
    if (seen.code !== code) return `the code is ${seen.code} in place of ${code}`;
    return seen.request_id === answer.headers.get('x-request-id')
      ? undefined
      : 'body and X-Request-Id name different requests';
  },
  isNotStored,
];

/** A refusal in the format of OAuth (RFC 6749 §5.2). */
export const oauthError = (wantedStatus: number, error: string): readonly Requirement[] => [
  status(wantedStatus),
  body(z.looseObject({ error: z.literal(error) })),
  isNotStored,
];

export const closedWith =
  (code: number, reason: string): Requirement<Seen> =>
  (seen) => {
    if (seen.admitted) return 'was admitted';
    return seen.code === code && seen.reason === reason ? undefined : `${seen.text}, not ${code} ${reason}`;
  };

export const admitted: Requirement<Seen> = (seen) => (seen.admitted ? undefined : seen.text);

/** A check of one request over HTTP. */
export const asking = (
  name: string,
  clause: string,
  ask: (target: Target) => Promise<Answer>,
  requirements: readonly Requirement[],
): Check => ({ name, clause, run: async (target) => judge(await ask(target), requirements) });

/** A check of one upgrade. */
export const opening = (
  name: string,
  clause: string,
  open: (target: Target) => Promise<Seen>,
  requirements: readonly Requirement<Seen>[],
): Check => ({ name, clause, run: async (target) => judge(await open(target), requirements) });
