import { expect, inject } from 'vitest';
import { type Front, openFront } from '../e2e/front.ts';
import { auth0Token } from './access-token.ts';
import { pass } from './page-clock.ts';
import { openTab, type Tab, type TabOptions } from './tab.ts';

/** What a provider is made of, as far as it can travel to a page. */
export interface TicketPlan {
  readonly name: string;
  readonly instance: string;
  readonly agent?: string;
  readonly delivery?: 'subprotocol' | 'query';
  /** Left out: an access token of the tab's person. */
  readonly credential?: { readonly kind: 'session' | 'access' | 'none' };
  /** Left out: the front before the agents. */
  readonly host?: string;
}

/** The app page with servers of its own to count at. */
export interface AppTab extends Tab {
  readonly broker: Front;
  readonly agents: Front;
  /** Makes providers in the page. */
  provide(...plans: readonly TicketPlan[]): Promise<void>;
  /** Renders a hook for each of these providers, and no others. */
  show(names: readonly string[], strict?: boolean): Promise<void>;
  /** Lines of the page, by hook. */
  lines(): Promise<Record<string, string>>;
  /** Waits until each of these hooks says so; in a page whose clock stands, time is passed by the test. */
  until(name: string, line: string): Promise<void>;
  /** Lets time pass; only with a clock of its own. */
  pass(ms: number): Promise<void>;
}

export interface AppOptions extends TabOptions {
  /** Subject of the access token. */
  readonly person?: string;
}

/** Opens the app page on the origin of the pages, before fronts of broker and agent worker that count. */
export async function openApp({ person = 'auth0|alice', ...options }: AppOptions = {}): Promise<AppTab> {
  const { broker: brokerUrl, agentWorker } = inject('stack');
  const [broker, agents, token] = await Promise.all([
    openFront(brokerUrl),
    openFront(agentWorker),
    auth0Token(person),
  ]);
  const tab = await openTab(`${inject('pages')}/app`, options);
  const { page } = tab;
  return {
    ...tab,
    broker,
    agents,
    async provide(...plans) {
      const places = { broker: broker.url, host: agents.url, token };
      await page.evaluate(
        ([{ token, ...place }, plans]) => {
          for (const { name, ...plan } of plans)
            window.app.tickets[name] = window.app.createTicketProvider({
              agent: 'counter',
              credential: { kind: 'access-token', get: async () => token },
              ...place,
              ...plan,
            });
        },
        [places, plans] as const,
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
    pass: (ms) => pass(page, ms),
  };
}

/** The same line for all of them. */
export const all = (names: readonly string[], line: string): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, line]));

export const expectLines = async (tab: AppTab, lines: Record<string, string>): Promise<void> =>
  expect(await tab.lines()).toEqual(lines);
