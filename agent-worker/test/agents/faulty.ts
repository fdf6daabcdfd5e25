import { Agent } from 'agents';
import { ticketed } from '../../src/ticketed.ts';

/** The names of {@link Faulty} instances: the method in which the instance throws. */
export const FAULTS = [
  'onStart',
  'onConnect',
  'onConnect-text',
  'getConnectionTags',
  'onRequest',
  'onRequest-text',
] as const;
type Fault = (typeof FAULTS)[number];

export const PRIVATE = 'PRIVATE words of the agent';

/** Throws where its name says. */
export class Faulty extends ticketed(Agent<Cloudflare.Env, { secret: number }>) {
  override initialState = { secret: 42 };

  override onStart(): void {
    this.#fail('onStart');
  }

  override onConnect(): void {
    this.#fail('onConnect');
    if (this.#is('onConnect-text')) throw PRIVATE;
  }

  override async getConnectionTags(): Promise<string[]> {
    this.#fail('getConnectionTags');
    return [];
  }

  override onRequest(): Response {
    this.#fail('onRequest');
    if (this.#is('onRequest-text')) throw PRIVATE;
    return new Response('fine');
  }

  #is(fault: Fault): boolean {
    return this.name === fault;
  }

  #fail(fault: Fault): void {
    if (this.#is(fault)) throw new Error(PRIVATE);
  }
}
