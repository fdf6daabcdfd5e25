import { expect, it } from 'vitest';
import type { HttpProxy, Refusal } from '../e2e/http-proxy.ts';
import { auth0Token } from './access-token.ts';
import { type AppTab, openApp } from './app-tab.ts';
import type { Kind } from './pages/kinds.ts';

/** The effect of each close of the gate on each kind of client: minted tickets and attempted upgrades. */

type Counts = readonly [mints: number, upgrades: number];

const ONCE: Counts = [1, 1];
/** At once, after 3 s, after 3.9 s more and after 5.07 s more: the stock client's own pace. */
const AGAIN: Counts = [4, 4];
/** The same, with the one ticket it was given. */
const STALE: Counts = [1, 4];
/** At once and after 5 to 8 s; the third follows 13.5 s after the second at the earliest. */
const CALM: Counts = [2, 2];

const instanceOf = (kind: Kind): string => kind.replaceAll(/\W+/g, '-');

const STOPS = {
  'useAgent, static query': ONCE,
  'useAgent, async query': ONCE,
  'useAgent, subprotocol': ONCE,
  'useAgent, provider, subprotocol': ONCE,
  'useAgent, provider, query': ONCE,
  'AgentClient, static query': ONCE,
  'AgentClient, async query': ONCE,
  'AgentClient, subprotocol': ONCE,
  'AgentClient, provider, subprotocol': ONCE,
  'AgentClient, provider, query': ONCE,
  'WebSocket, query': ONCE,
  'WebSocket, subprotocol': ONCE,
  'WebSocket, provider': ONCE,
} as const satisfies Record<Kind, Counts>;

const COMES_BACK = {
  'useAgent, static query': STALE,
  'useAgent, subprotocol': AGAIN,
  'useAgent, provider, subprotocol': CALM,
  'useAgent, provider, query': CALM,
  'AgentClient, static query': STALE,
  'AgentClient, async query': AGAIN,
  'AgentClient, subprotocol': AGAIN,
  'AgentClient, provider, subprotocol': CALM,
  'AgentClient, provider, query': CALM,
  'WebSocket, query': ONCE,
  'WebSocket, subprotocol': ONCE,
  'WebSocket, provider': ONCE,
} as const satisfies Partial<Record<Kind, Counts>>;

const kindsOf = (counts: Partial<Record<Kind, Counts>>): Kind[] => Object.keys(counts) as Kind[];

/** Starts clients, each as another person at another instance. */
async function start(tab: AppTab, kinds: readonly Kind[]): Promise<void> {
  const clients = await Promise.all(
    kinds.map(async (kind) => {
      const instance = instanceOf(kind);
      const token = await auth0Token(`auth0|${instance}`);
      return [kind, { broker: tab.broker.url, host: tab.agents.url, instance, token }] as const;
    }),
  );
  await tab.page.evaluate((clients) => window.app.start(clients), clients);
}

function countsOf({ broker, agents }: { broker: HttpProxy; agents: HttpProxy }, kinds: readonly Kind[]) {
  const times = (all: readonly string[], kind: Kind): number =>
    all.filter((instance) => instance === instanceOf(kind)).length;
  return Object.fromEntries(
    kinds.map((kind) => [kind, [times(broker.mints, kind), times(agents.upgrades, kind)]]),
  );
}

it.each([
  [4000, 'bad_request', STOPS],
  [4001, 'unauthorized', STOPS],
  [4003, 'forbidden', STOPS],
  [4004, 'not_found', STOPS],
  [4008, 'idle', STOPS],
  [1008, 'payload_too_large', STOPS],
  [3000, 'ticket_used', COMES_BACK],
  [1011, 'internal', COMES_BACK],
  [1012, 'restarting', COMES_BACK],
  [1013, 'unavailable', COMES_BACK],
] as const satisfies readonly (readonly [...Refusal, Partial<Record<Kind, Counts>>])[])(
  'in 15 s of upgrades that are closed with %i (%s) each client acts as the table lists',
  async (code, reason, table) => {
    const tab = await openApp({ now: Date.now() });
    tab.agents.refuseBy(() => [code, reason]);
    const kinds = kindsOf(table);
    await start(tab, kinds);
    await tab.pass(15_000);
    expect(countsOf(tab, kinds)).toEqual(table);
  },
);

it('a stock hook with an async query asks again at once: twenty refusals are twenty tickets within 15 s', async () => {
  const tab = await openApp({ now: Date.now() });
  const kind = 'useAgent, async query';
  tab.agents.refuseBy(() => (tab.agents.upgrades.length <= 20 ? [3000, 'ticket_used'] : undefined));
  await start(tab, [kind]);
  await tab.pass(15_000, 100);
  expect(await tab.lines()).toEqual({ [instanceOf(kind)]: 'open' });
  expect(countsOf(tab, [kind])).toEqual({ [kind]: [21, 21] });
});

it('after one close that permits a reconnect each client needs one more ticket, and is open', async () => {
  const tab = await openApp({ now: Date.now() });
  const kinds = kindsOf(STOPS).filter((kind) => !/static|WebSocket/.test(kind));
  const refused = new Set<string>();
  tab.agents.refuseBy((instance) => {
    if (refused.has(instance)) return undefined;
    refused.add(instance);
    return [3000, 'ticket_used'];
  });
  await start(tab, kinds);
  await tab.pass(15_000);
  expect(countsOf(tab, kinds)).toEqual(Object.fromEntries(kinds.map((kind) => [kind, [2, 2]])));
  const hooks = kinds.filter((kind) => kind.startsWith('useAgent'));
  expect(await tab.lines()).toEqual(Object.fromEntries(hooks.map((kind) => [instanceOf(kind), 'open'])));
});

it('after 4008 a provider’s clients come back with the person, and stock ones do not', async () => {
  const tab = await openApp({ now: Date.now() });
  const kinds: Kind[] = [
    'useAgent, subprotocol',
    'useAgent, provider, subprotocol',
    'useAgent, provider, query',
    'AgentClient, provider, subprotocol',
  ];
  tab.agents.refuseBy(() => [4008, 'idle']);
  await start(tab, kinds);
  await tab.pass(15_000);
  tab.agents.refuseBy(() => undefined);
  await tab.page.keyboard.press('Shift');
  await tab.pass(15_000);
  const [stock, ...ours] = kinds;
  expect(countsOf(tab, kinds)).toEqual({
    ...Object.fromEntries(ours.map((kind) => [kind, [2, 2]])),
    [String(stock)]: [1, 1],
  });
});
