import { err } from '@agent-ticket/shared/outcome.ts';
import { createRemoteKeys, type RemoteKeysPorts } from '@agent-ticket/shared/remote-keys.ts';
import { TicketAlgorithm } from '@agent-ticket/shared/ticket.ts';
import type { FindKey } from '@agent-ticket/shared/verify-ticket.ts';

/** The broker's ticket keys. Create one per isolate. */
export function brokerKeys(ports: RemoteKeysPorts, cooldownMs: number): FindKey {
  const keys = createRemoteKeys(ports, { algorithms: TicketAlgorithm.options, cooldownMs });
  return async (kid) => {
    const found = await keys.find(kid);
    switch (found) {
      case 'unknown':
        return err('ticket_key_unknown');
      case 'unavailable':
        return err('keys_unavailable', { retryAfter: 1 });
      default:
        return { ok: true, value: found };
    }
  };
}
