import { createTicketProvider, type TicketProvider } from '@agent-ticket/shared/client/provider.ts';
import { AgentClient } from 'agents/client';
import { createRoot, hydrateRoot, type Root } from 'react-dom/client';
import { type Hook, type HookAgent, type HookOptions, Hooks } from './hooks.tsx';

/**
 * An app whose parts lie open, so that a test can be its code. Functions do not travel from a test to a page, so what
 * is made of them is made, named and kept here.
 */
class App {
  readonly createTicketProvider = createTicketProvider;
  readonly AgentClient = AgentClient;
  readonly tickets: Record<string, TicketProvider> = {};
  /** What each hook answered last, and clients that a test made. */
  readonly agents: Record<string, HookAgent> = {};
  readonly clients: Record<string, AgentClient> = {};
  #root: Root | undefined;

  /** Renders these hooks and no others. */
  show(hooks: readonly Hook[], strict = false): void {
    this.#root ??= createRoot(rootElement());
    this.#root.render(this.#view(hooks, strict));
  }

  /** Takes over what a server rendered. */
  hydrate(html: string, hooks: readonly Hook[]): void {
    rootElement().innerHTML = html;
    this.#root = hydrateRoot(rootElement(), this.#view(hooks, false));
  }

  /** A hook as apps write it with a ticket provider. */
  hook(name: string, ticket: TicketProvider = this.ticket(name)): Hook {
    return { name, ticket, options: () => ticket.useAgentOptions() };
  }

  /** A hook without one. */
  stockHook(name: string, options: HookOptions): Hook {
    return { name, options: () => options };
  }

  ticket(name: string): TicketProvider {
    return there(this.tickets[name], name);
  }

  agent(name: string): HookAgent {
    return there(this.agents[name], name);
  }

  /** What the counter answers about the one who asks. */
  async whoami(name: string): Promise<{ readonly principal: string; readonly session: string }> {
    return this.agent(name).call('whoami');
  }

  #view(hooks: readonly Hook[], strict: boolean) {
    const keep = (name: string, agent: HookAgent): void => {
      this.agents[name] = agent;
    };
    return <Hooks hooks={hooks} strict={strict} onAgent={keep} />;
  }
}

const rootElement = (): Element => there(document.querySelector('#root'), '#root');

function there<T>(value: T | null | undefined, name: string): T {
  if (value === null || value === undefined) throw new Error(`there is no ${name}`);
  return value;
}

declare global {
  interface Window {
    readonly app: App;
  }
}

Object.assign(window, { app: new App() });
