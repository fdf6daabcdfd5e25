import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { allow, deny } from '@agent-ticket/shared/outcome.ts';
import type { Handler } from './http/call.ts';
import type { BrokerPorts } from './ports.ts';

/** `GET /healthz`: the process answers. Asks nothing of anybody, so that a restart is never the cure for a database. */
export const liveness = (): Handler => async () => ({
  outcome: allow({ status: 200, body: { status: 'ok' } }),
});

/** `GET /readyz`: a ticket could be minted now. */
export const readiness =
  (ports: BrokerPorts): Handler =>
  async ({ now }) => {
    try {
      await ports.pingDatabases();
      const signer = await ports.keyring.signer(now);
      return { outcome: signer.ok ? allow({ status: 200, body: { status: 'ready' } }) : signer };
    } catch (error) {
      if (isOutage(error)) return { outcome: deny('database_unavailable', { retryAfter: 5 }) };
      throw error;
    }
  };
