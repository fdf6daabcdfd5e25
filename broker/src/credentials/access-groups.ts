import type { PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { readBounded } from '@agent-ticket/shared/read-bounded.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import * as z from 'zod';
import type { ForeignIssuer } from './foreign-jwt.ts';

/** Group names of Access users, which its tokens do not carry. */
export interface AccessGroups {
  of(
    token: string,
    principal: PrincipalId,
    issuer: ForeignIssuer,
    now: number,
  ): Promise<Outcome<readonly string[]>>;
}

interface AccessGroupsPorts {
  /** One GET with the given headers. May reject; that counts as unavailable. */
  readonly fetch: (
    url: string,
    init: { headers: Record<string, string>; signal: AbortSignal },
  ) => Promise<Response>;
}

/** A person who is removed from a group loses its rights within this time. */
const KEPT_MS = 60_000;
/** A failure is cached too, or one caller's requests would become as many requests to Access. */
const FAILURE_KEPT_SECONDS = 5;
/** People cached at once by one isolate; the oldest goes first. */
const MAX_HELD = 1_000;
const TIMEOUT_MS = 2_000;
const MAX_BYTES = 64 * 1024;

/** Identity providers give a group as its name or as an object with one. */
const Identity = z.object({
  groups: z
    .array(z.union([z.string(), z.object({ name: z.string() }).transform((group) => group.name)]))
    .max(1_000)
    .default([]),
});

const CERTS = '/cdn-cgi/access/certs';
const IDENTITY = '/cdn-cgi/access/get-identity';

/** Beside the certificates where they are at the usual place; else at the team itself: a mirror of keys gets no token. */
const identityUrl = ({ issuer, keysUrl }: ForeignIssuer): string =>
  keysUrl.endsWith(CERTS) ? keysUrl.slice(0, -CERTS.length) + IDENTITY : issuer + IDENTITY;

/**
 * Asks Access for the groups of a verified token and caches the answer for a minute by principal, never by token text.
 * While Access does not answer the groups are unknown, which is "try again in 5 s", not "none"; Access is not asked again before.
 */
export function createAccessGroups(ports: AccessGroupsPorts): AccessGroups {
  /** Without groups: Access did not answer. */
  const held = new Map<string, { readonly groups: readonly string[] | undefined; readonly at: number }>();
  const read = (groups: readonly string[] | undefined) =>
    groups === undefined
      ? err('identity_source_unavailable', { retryAfter: FAILURE_KEPT_SECONDS })
      : ok(groups);
  return {
    async of(token, principal, issuer, now) {
      const known = held.get(principal);
      const keptMs = known?.groups === undefined ? FAILURE_KEPT_SECONDS * 1000 : KEPT_MS;
      if (known !== undefined && now - known.at < keptMs && now >= known.at) return read(known.groups);
      const groups = await ask(ports, token, issuer);
      held.delete(principal);
      held.set(principal, { groups, at: now });
      const oldest = held.keys().next();
      if (held.size > MAX_HELD && oldest.done !== true) held.delete(oldest.value);
      return read(groups);
    },
  };
}

async function ask(
  ports: AccessGroupsPorts,
  token: string,
  issuer: ForeignIssuer,
): Promise<readonly string[] | undefined> {
  let body: Uint8Array | undefined;
  try {
    const answer = await ports.fetch(identityUrl(issuer), {
      headers: { cookie: `CF_Authorization=${token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    body = answer.status === 200 ? await readBounded(answer, MAX_BYTES) : undefined;
  } catch {
    // Someone else's endpoint: whatever it or the network throws means "not known now".
    return undefined;
  }
  const identity = body === undefined ? undefined : Identity.safeParse(readStrictJson(body));
  return identity?.success === true ? identity.data.groups : undefined;
}
