import type { authSessionQueries } from '@agent-ticket/drizzle/control/auth-sessions.ts';
import type { usedTokenQueries } from '@agent-ticket/drizzle/control/used-tokens.ts';

export interface ExpiringPorts {
  readonly expiring: {
    readonly sessions: Pick<ReturnType<typeof authSessionQueries>, 'purge'>;
    readonly usedTokens: Pick<ReturnType<typeof usedTokenQueries>, 'purge'>;
  };
  readonly clock: () => number;
}

/** Deletes sign-ins, logouts and used tokens that nothing can be about any more. Nothing depends on when it runs. */
export async function forgetExpired({ expiring, clock }: ExpiringPorts): Promise<void> {
  const now = clock();
  await expiring.sessions.purge(now);
  await expiring.usedTokens.purge(now);
}
