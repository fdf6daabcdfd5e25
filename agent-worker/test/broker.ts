import { WorkerEntrypoint } from 'cloudflare:workers';
import type { Signer } from '@agent-ticket/shared/test-tickets.ts';
import { nextSigner, signer } from './tickets.ts';

/** The broker behind the service binding: answers one question, what its keys are, as the test at hand wants it. */

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

/** What the broker answers now, and what it was asked since the test began. */
export const broker: { answer: Answer; readonly asked: string[] } = { answer: ANSWERS.healthy, asked: [] };

export function resetBroker(): void {
  broker.answer = ANSWERS.healthy;
  broker.asked.length = 0;
}

export class Broker extends WorkerEntrypoint {
  override async fetch(request: Request): Promise<Response> {
    broker.asked.push(request.url);
    return broker.answer(request);
  }
}
