import { WorkerEntrypoint } from 'cloudflare:workers';
import { BacklogReport } from '@agent-ticket/shared/backlog-report.ts';
import type { Signer } from '@agent-ticket/shared/test/tickets.ts';
import { nextSigner, signer } from './tickets.ts';

/** The broker behind its service bindings: says what its keys are as the test at hand wants it, and hears reports. */

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

/** What the broker answers now, and what it was asked and told since the test began. */
export const broker: {
  answer: Answer;
  hears: boolean;
  readonly asked: string[];
  readonly told: BacklogReport[];
} = { answer: ANSWERS.healthy, hears: true, asked: [], told: [] };

export function resetBroker(): void {
  broker.answer = ANSWERS.healthy;
  broker.hears = true;
  broker.asked.length = 0;
  broker.told.length = 0;
}

export class Broker extends WorkerEntrypoint {
  override async fetch(request: Request): Promise<Response> {
    broker.asked.push(request.url);
    return broker.answer(request);
  }
}

export class Backlog extends WorkerEntrypoint {
  override async fetch(request: Request): Promise<Response> {
    if (!broker.hears) return new Response(null, { status: 503 });
    broker.told.push(BacklogReport.parse(await request.json()));
    return new Response(null, { status: 204 });
  }
}
