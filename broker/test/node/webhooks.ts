import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { Webhook } from 'standardwebhooks';
import * as z from 'zod';
import { sealAudit } from '../../src/audit/sealer.ts';
import { deliverEvents } from '../../src/webhooks/deliver.ts';
import type { Message, PostResult } from '../../src/webhooks/post.ts';
import { type OperatorBroker, ROOT } from './admin/operator-broker.ts';
import { bodyOf } from './answers.ts';

/** Receivers of events, and the runs of a broker that sends them. */

export const RECEIVER = 'https://receiver.test/events';

export const Created = z.looseObject({ id: z.string(), secret: z.string() });

export async function createWebhook(broker: OperatorBroker, wish: object = {}) {
  const answer = await broker.call(ROOT, 'POST', '/admin/webhooks', {
    ...{ name: 'archive', url: RECEIVER, types: ['ticket.denied'], ...wish },
  });
  return Created.parse(await answer.json());
}

export const webhooksOf = async (broker: OperatorBroker) =>
  z
    .array(z.looseObject({ id: z.string() }))
    .parse((await bodyOf(await broker.call(ROOT, 'GET', '/admin/webhooks'))).items);

/** One minute of a broker: it seals the events that arrived, and sends them. */
export async function minute(broker: OperatorBroker): Promise<void> {
  broker.clock.now += 60;
  await sealAudit(broker.ports, broker.clock.now * 1000);
  await deliverEvents(broker.ports);
}

export const minutes = async (broker: OperatorBroker, count: number): Promise<void> => {
  for (let passed = 0; passed < count; passed += 1) await minute(broker);
};

/** Writes denials to the log, each with one of the codes. */
export async function writeDenials(
  { ports, clock }: Pick<OperatorBroker, 'ports' | 'clock'>,
  codes: readonly string[],
  differs: Partial<AuditEvent> = {},
): Promise<void> {
  const at = clock.now * 1000;
  const facts = codes.map((code) => ({
    event: { eventId: crypto.randomUUID(), at, type: 'ticket.denied', outcome: 'denied', code, ...differs },
  })) satisfies { event: AuditEvent }[];
  await ports.record.deliver(facts, at);
}

const Payload = z.object({
  type: z.string(),
  timestamp: z.iso.datetime(),
  data: z.looseObject({ event_id: z.string(), code: z.string().nullable() }),
});

/** A receiver as the library of the standard makes one: takes messages that the secret signed, each once. */
export function standardReceiver(
  secret: () => string,
  answer: (code: string | null, count: number) => PostResult = () => ({ status: 204 }),
) {
  const seen = new Set<string>();
  const taken: string[] = [];
  const shown: string[] = [];
  return {
    /** Codes of the events that were taken, in the order of their first arrival. */
    taken,
    /** Codes of all requests, repetitions included. */
    shown,
    async receive({ body, headers }: Message): Promise<PostResult> {
      new Webhook(secret()).verify(body, { ...headers });
      const { data } = Payload.parse(JSON.parse(body));
      const code = data.code ?? '';
      shown.push(code);
      const result = answer(data.code, shown.length);
      const id = headers['webhook-id'] ?? '';
      if ('status' in result && result.status < 300 && !seen.has(id)) {
        seen.add(id);
        taken.push(code);
      }
      return result;
    },
  };
}
