import { createTicketProvider, type TicketProvider } from '@agent-ticket/client';
import { attachHeartbeat } from '@agent-ticket/client/heartbeat';
import { AgentClient } from 'agents/client';
import { createRoot, hydrateRoot, type Root } from 'react-dom/client';
import { type Hook, type HookAgent, Hooks } from './hooks.tsx';
import { KINDS, type Kind, type Started, type Target } from './kinds.ts';

/**
 * An app with public parts, so that a test can act as its code. Functions cannot be serialised into a page, so the page
 * makes the objects that need them, and stores them by name.
 */
class App {
  readonly createTicketProvider = createTicketProvider;
  readonly attachHeartbeat = attachHeartbeat;
  readonly AgentClient = AgentClient;
  readonly tickets: Record<string, TicketProvider> = {};
  /** The last result of each hook. */
  readonly agents: Record<string, HookAgent> = {};
  #root: Root | undefined;

  /** Renders only these hooks. */
  show(hooks: readonly Hook[], strict = false): void {
    this.#root ??= createRoot(rootElement());
    this.#root.render(this.#view(hooks, strict));
  }

  /** Hydrates the output of a server. */
  hydrate(html: string, hooks: readonly Hook[]): void {
    rootElement().innerHTML = html;
    this.#root = hydrateRoot(rootElement(), this.#view(hooks, false));
  }

  /** A hook as apps write it with a ticket provider. */
  hook(name: string, ticket: TicketProvider = this.ticket(name)): Hook {
    return { name, ticket, options: () => ticket.agentOptions() };
  }

  /** Starts one client of each kind, and renders those that are hooks. */
  async start(kinds: readonly (readonly [Kind, Target])[]): Promise<void> {
    const started: Started[] = await Promise.all(kinds.map(([kind, target]) => KINDS[kind](target)));
    this.show(started.flatMap((one) => ('hook' in one ? one.hook : [])));
  }

  ticket(name: string): TicketProvider {
    return there(this.tickets[name], name);
  }

  agent(name: string): HookAgent {
    return there(this.agents[name], name);
  }

  /** The counter's answer about its caller. */
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
