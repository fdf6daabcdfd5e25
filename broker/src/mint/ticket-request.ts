import { TICKET_TTL_SECONDS } from '@agent-ticket/shared/limits.ts';
import { AgentSlug, InstanceName, Transport } from '@agent-ticket/shared/names.ts';
import { ScopeList } from '@agent-ticket/shared/scope.ts';
import * as z from 'zod';

/** Body of `POST /tickets`. Unknown members are refused: a misspelled limit must not be a missing one. */
export const TicketRequest = z.strictObject({
  agent: AgentSlug,
  /** Left out: `default`; an agent that belongs to its first user has no default. */
  instance: InstanceName.optional(),
  /** Narrows; left out: all that the role allows. */
  scope: ScopeList.optional(),
  /** Seconds of the ticket's life. */
  expires_in: z.int().min(TICKET_TTL_SECONDS.min).max(TICKET_TTL_SECONDS.max).optional(),
  transport: Transport.default('websocket'),
});
export type TicketRequest = z.output<typeof TicketRequest>;
