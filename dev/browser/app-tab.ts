import { inject } from 'vitest';
import { type HttpProxy, openHttpProxy } from '../e2e/http-proxy.ts';
import { auth0Token } from './access-token.ts';
import { pass } from './page-clock.ts';
import { openTab, type Tab, type TabOptions } from './tab.ts';

/** Options of a provider that can be serialised into a page. */
export interface TicketPlan {
  readonly name: string;
  readonly instance: string;
  readonly agent?: string;
  readonly delivery?: 'subprotocol' | 'query';
  /** Default: an access token of the tab's person. */
  readonly credential?: { readonly kind: 'session' | 'access' | 'none' };
  /** Default: the proxy of the agent worker. */
  readonly host?: string;
}

/** The app page with counting proxies of its own. */
export interface AppTab extends Tab {
  readonly broker: HttpProxy;
  readonly agents: HttpProxy;
  /** Makes providers in the page. */
  provide(...plans: readonly TicketPlan[]): Promise<void>;
  /** Renders a hook for each of these providers only. */
  show(names: readonly string[], strict?: boolean): Promise<void>;
  /** Lines of the page, by hook. */
  lines(): Promise<Record<string, string>>;
  /** Waits until the hook shows the line. With a stopped clock the test must advance the time. */
  until(name: string, line: string): Promise<void>;
  /** Advances a stopped clock by `ms`, in steps of half a second by default. */
  pass(ms: number, step?: number): Promise<void>;
}

export interface AppOptions extends TabOptions {
  /** Subject of the access token. */
  readonly person?: string;
}

/** Opens the app page on the origin of the pages, with counting proxies of broker and agent worker. */
export async function openApp({ person = 'auth0|alice', ...options }: AppOptions = {}): Promise<AppTab> {
  const { broker: brokerUrl, agentWorker } = inject('stack');
  const [broker, agents, token] = await Promise.all([
    openHttpProxy(brokerUrl),
    openHttpProxy(agentWorker),
    auth0Token(person),
  ]);
  const tab = await openTab(`${inject('pages')}/app`, options);
  const { page } = tab;
  return {
    ...tab,
    broker,
    agents,
    async provide(...plans) {
      const servers = { broker: broker.url, host: agents.url, token };
      await page.evaluate(
        ([{ token, ...addresses }, plans]) => {
          for (const { name, ...plan } of plans)
            window.app.tickets[name] = window.app.createTicketProvider({
              agent: 'counter',
              credential: { kind: 'access-token', get: async () => token },
              ...addresses,
              ...plan,
            });
        },
        [servers, plans] as const,
      );
    },
    async show(names, strict = false) {
      await page.evaluate(
        ([names, strict]) => {
          window.app.show(
            names.map((name) => window.app.hook(name)),
            strict,
          );
        },
        [names, strict] as const,
      );
    },
    lines: () =>
      page.evaluate(() =>
        Object.fromEntries(
          Array.from(document.querySelectorAll('p'), ({ id, innerText }) => [id, innerText]),
        ),
      ),
    until: async (name, line) => {
      await page.locator(`p[id="${name}"]`, { hasText: line }).waitFor();
    },
    pass: (ms, step) => pass(page, ms, step),
  };
}

/** The same line for all of them. */
export const all = (names: readonly string[], line: string): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, line]));
