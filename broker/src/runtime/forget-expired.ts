import type { authSessionQueries } from '@agent-ticket/drizzle/control/auth-sessions.ts';
import type { usedTokenQueries } from '@agent-ticket/drizzle/control/used-tokens.ts';
import type { rateQueries } from '@agent-ticket/drizzle/record/rates.ts';
import type { recallQueries } from '@agent-ticket/drizzle/record/recalls.ts';
import { RATE_WINDOW_MS } from '../mint/ledger.ts';

export interface ExpiringPorts {
  readonly expiring: {
    readonly sessions: Pick<ReturnType<typeof authSessionQueries>, 'purge'>;
    readonly usedTokens: Pick<ReturnType<typeof usedTokenQueries>, 'purge'>;
    readonly recalls: Pick<ReturnType<typeof recallQueries>, 'purge'>;
    /** Left out where ledger objects count, which forget by themselves. */
    readonly rates?: Pick<ReturnType<typeof rateQueries>, 'purge'> | undefined;
  };
  readonly clock: () => number;
}

/** Deletes sign-ins, logouts, used tokens, recalls and counters that nothing can be about any more. Nothing depends on when it runs. */
export async function forgetExpired({ expiring, clock }: ExpiringPorts): Promise<void> {
  const now = clock();
  await expiring.sessions.purge(now);
  await expiring.usedTokens.purge(now);
  await expiring.recalls.purge(now);
  await expiring.rates?.purge(now - RATE_WINDOW_MS);
}
