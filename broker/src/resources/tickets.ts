import { ok } from '@agent-ticket/shared/outcome.ts';
import { findAgent } from '@agent-ticket/shared/registry.ts';
import { exchange } from '../mint/mint.ts';
import { TicketRequest } from '../mint/ticket-request.ts';
import { readBody } from '../runtime/body.ts';
import type { Handler } from '../runtime/call.ts';
import { refuseBeforeMint } from '../runtime/limit.ts';

/** `POST /tickets`. */
export const mintTicket: Handler = async (call) => {
  const { who, ports } = call;
  const body = await readBody(call.request, TicketRequest);
  if (!body.ok) return refuseBeforeMint(body, call, ports);
  const { outcome, rate } = await exchange(who, body.value, call, ports);
  return {
    outcome: outcome.ok ? ok({ status: 201, body: outcome.value }) : outcome,
    rate,
    agent: findAgent(ports.registry, body.value.agent)?.slug,
  };
};
