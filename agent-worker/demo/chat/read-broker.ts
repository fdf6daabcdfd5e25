import type { DemoFacts } from '../facts.ts';

/** The address of the broker, which the worker that served this page knows. Rejects when it cannot be had. */
export async function readBroker(): Promise<string> {
  const answer = await fetch('/demo.json');
  if (!answer.ok) throw new Error(`/demo.json: ${answer.status}`);
  const { broker }: DemoFacts = await answer.json();
  return broker;
}
