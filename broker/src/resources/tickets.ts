import { ok } from '@agent-ticket/shared/outcome.ts';
import { findAgent } from '@agent-ticket/shared/registry.ts';
import { readBody } from '../http/body.ts';
import type { Handler } from '../http/call.ts';
import { exchange } from '../mint/mint.ts';
import { TicketRequest } from '../mint/ticket-request.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

/** `POST /tickets`. */
export const mintTicket =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const body = await readBody(call.request, TicketRequest);
    if (!body.ok) return { outcome: body };
    const { outcome, rate } = await exchange(call.who, body.value, call, ports);
    return {
      outcome: outcome.ok ? ok({ status: 201, body: outcome.value }) : outcome,
      rate,
      agent: findAgent(ports.registry, body.value.agent)?.slug,
    };
  };
