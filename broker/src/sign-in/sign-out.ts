import type { SignedOut } from '@agent-ticket/drizzle/control/principals.ts';
import type { Statement } from '@agent-ticket/drizzle/database.ts';
import type { PrincipalId } from '@agent-ticket/shared/names.ts';
import { auditEventOf } from '../audit/event.ts';
import { FOREIGN_SESSION_MAX_SECONDS } from '../credentials/auth0-session.ts';
import { changePolicy, newRevocation } from '../revocation/changes.ts';
import type { Call } from '../runtime/call.ts';

/** The longest time for which a credential from before is accepted, in ms since 1970. `now` in ms. */
const keptUntilOf = (now: number): number => now + FOREIGN_SESSION_MAX_SECONDS * 1000;

/** Every token, assertion and sign-in of a principal until now, in ms: none is taken any more. Secrets of service tokens are. */
export const everyCredentialOf = (id: PrincipalId, now: number): SignedOut => ({
  ...{ id, tokensBefore: now, loginsBefore: now },
  keptUntil: keptUntilOf(now),
});

interface SignOut {
  readonly by: 'logout' | 'back-channel' | 'caep';
  /** The person who signs out; empty where the ended session is of nobody known here. */
  readonly principals: readonly PrincipalId[];
  /** The sign-in that ends; `undefined`: every one of the principals. */
  readonly login: string | undefined;
  /** Whether tickets and tokens that do not rest on the sign-in go on. Without a `login` they cannot. */
  readonly isLoginOnly?: boolean;
  /** Credentials from until then are refused, in ms. Left out: from until now. */
  readonly before?: number;
  /** Statements that end the sign-in where it is kept. */
  readonly ends: readonly Statement[];
}

/**
 * Signs out in one change of policy. Bearer tokens issued until now are refused, since no token names the sign-in by
 * which it was issued. All tickets and sockets of the principals from before end for the same reason: clients with
 * another sign-in reconnect with a new ticket, the others are asked to sign in. The sign-in itself ends by its id;
 * where no id is known, all sign-ins that began until now end. With `isLoginOnly` the sign-in ends with the tickets that
 * name it, and nothing else.
 */
export async function signOut(
  { by, principals, login, before, ends, isLoginOnly = false }: SignOut,
  call: Call,
): Promise<void> {
  const { now, ports } = call;
  const affected = isLoginOnly && login !== undefined ? [] : principals;
  const keptUntil = keptUntilOf(now);
  const [principal] = principals;
  const revocation = {
    reason: 'signed out',
    by: principal ?? 'tenant',
    now,
  } as const;
  const tokensBefore = before ?? now;
  const loginsBefore = login === undefined ? tokensBefore : null;
  await changePolicy(
    {
      before: [
        ...ends,
        ...affected.map((id) =>
          ports.control.principals.signOut({ id, tokensBefore, loginsBefore, keptUntil }),
        ),
      ],
      event: {
        ...auditEventOf(call, 'login.ended', ports.randomId(), {
          details: { by, ...(login === undefined && { every_sign_in: true }) },
        }),
        principal,
      },
      revocations: [
        ...affected.map((id) =>
          newRevocation({
            ...revocation,
            target: { kind: 'principal', id },
            kind: 'before',
            // Where one login ends, or what is older than the event, the person's others go on, and get new tickets.
            code: login === undefined && before === undefined ? 'session_terminated' : 'rights_changed',
          }),
        ),
        ...(login === undefined
          ? []
          : [
              newRevocation({
                ...revocation,
                target: { kind: 'login', id: login },
                kind: 'any',
                until: keptUntil,
                // A browser must not get a ticket of the person who signs in next.
                code: 'session_terminated',
              }),
            ]),
      ],
    },
    ports,
  );
}
