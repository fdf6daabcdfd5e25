import { WorkerEntrypoint } from 'cloudflare:workers';
import { BacklogReport } from '@agent-ticket/shared/backlog-report.ts';
import type { Signer } from '@agent-ticket/shared/test/tickets.ts';
import { nextSigner, signer } from './tickets.ts';

/** The broker behind its service bindings: answers with the keys that the test set, and receives reports. */

type Answer = (request: Request) => Response | Promise<Response>;

export const publishes =
  (...signers: Signer[]): Answer =>
  () =>
    Response.json({ keys: signers.map(({ jwk }) => jwk) });

export const ANSWERS = {
  healthy: publishes(signer, nextSigner),
  failing: () => new Response('upstream connect error', { status: 503 }),
  html: () =>
    new Response('<!doctype html><title>Sign in</title>', { headers: { 'content-type': 'text/html' } }),
  empty: () => Response.json({ keys: [] }),
  huge: () => Response.json({ keys: [signer.jwk, nextSigner.jwk], padding: 'x'.repeat(70_000) }),
  /** Longer than anyone waits. */
  slow: async () => {
    await scheduler.wait(30_000);
    return publishes(signer)(new Request('https://broker.test'));
  },
} satisfies Record<string, Answer>;

/** The present answer of the broker, and the requests and reports that it received since the test began. */
export const broker: {
  answer: Answer;
  receives: boolean;
  readonly asked: string[];
  readonly received: BacklogReport[];
} = { answer: ANSWERS.healthy, receives: true, asked: [], received: [] };

export function resetBroker(): void {
  broker.answer = ANSWERS.healthy;
  broker.receives = true;
  broker.asked.length = 0;
  broker.received.length = 0;
}

export class Broker extends WorkerEntrypoint {
  override async fetch(request: Request): Promise<Response> {
    broker.asked.push(request.url);
    return broker.answer(request);
  }
}

export class Backlog extends WorkerEntrypoint {
  override async fetch(request: Request): Promise<Response> {
    if (!broker.receives) return new Response(null, { status: 503 });
    broker.received.push(BacklogReport.parse(await request.json()));
    return new Response(null, { status: 204 });
  }
}
