import { SUBPROTOCOL } from '../src/handshake.ts';
import { type Asked, askBroker, signInUrlOf, type Use } from './ask-broker.ts';
import { refusalOf, TicketRefused, TicketUnavailable } from './errors.ts';
import { handOut } from './hand-out.ts';
import { createHttpHeaders } from './http-headers.ts';
import { createMintQueue } from './mint-queue.ts';
import { settle, type TicketProviderOptions } from './options.ts';
import { paceFor } from './page-state.ts';
import { type ClientPorts, globalPorts, MAX_TIMER_MS } from './ports.ts';
import { createSockets } from './sockets.ts';
import { steadyClock } from './steady-clock.ts';
import type { TicketAnswer } from './ticket-answer.ts';
import type { TicketProvider } from './ticket-provider.ts';
import { SIGNS_OF_LIFE, untilSeen } from './until-seen.ts';

export { Forbidden, SignInRequired, TicketRefused, TicketUnavailable } from './errors.ts';
export type { Credential, TicketProviderOptions } from './options.ts';
export type { AgentOptions, TicketProvider } from './ticket-provider.ts';

let made = 0;

/**
 * Gets tickets from the broker for one agent instance, one for each socket that opens, as often as it is good for
 * broker and person. Keeps tickets and credentials in memory only. Does nothing while a page is rendered on a server.
 */
export function createTicketProvider(options: TicketProviderOptions): TicketProvider {
  const settings = settle(options);
  const { broker, host, agent, instance, credential, delivery, runsIn } = settings;
  const ports: ClientPorts = { ...globalPorts, ...options.ports };
  const silent = runsIn === 'server-render';
  /** Changes when somebody else may be signed in. */
  let id = `t${made++}`;
  let absence: Promise<unknown> | undefined;

  const clock = steadyClock(ports.now);
  const pace = paceFor(`${broker} ${agent} ${instance}`, clock, ports, runsIn === 'browser');
  const queue = createMintQueue({ ...ports, pace, clock, ask });

  let refusal: TicketRefused | undefined;
  const listeners = new Set<() => void>();
  function tell(to?: TicketRefused): void {
    refusal = to;
    for (const listener of listeners) listener();
  }

  /** What was asked before a reset is nobody's answer. */
  async function ask(use: Use): Promise<Asked> {
    const asker = id;
    const asked = await askBroker(use, settings, ports);
    if (asker !== id) return ask(use);
    if (!(asked instanceof TicketUnavailable)) tell(asked instanceof TicketRefused ? asked : undefined);
    return asked;
  }

  async function take(use: Use): Promise<TicketAnswer> {
    if (silent) throw refusalOf({ status: 400, code: 'SERVER_RENDER' });
    return queue(use);
  }

  const http = createHttpHeaders(() => take('http'), clock);
  const sockets = createSockets({
    ...ports,
    pace,
    refusal: () => refusal,
    renews: credential.kind !== 'none',
    mint: () => take('websocket'),
    onRefused: (status, code) => tell(refusalOf({ status, code, signInUrl: signInUrlOf(settings, ports) })),
    onIdle() {
      absence = untilSeen(ports, SIGNS_OF_LIFE);
    },
  });

  const { protocols, query } = handOut(async () => {
    await absence;
    return (await take('websocket')).ticket;
  });
  const byQuery = () => ({ query, queryDeps: [broker, host, id], cacheTtl: MAX_TIMER_MS });

  return {
    protocols,
    query,
    cacheTtl: MAX_TIMER_MS,
    get queryDeps() {
      return byQuery().queryDeps;
    },
    useAgentOptions: () => ({
      ...{ agent, name: instance, host, id, WebSocket: sockets.SocketClass },
      // What one person typed is not sent as another.
      ...(delivery === 'query' ? byQuery() : { protocols, transferEnqueuedMessages: false }),
    }),
    headers: async () => (silent ? {} : http.headers()),
    async mint() {
      const { url, ticket } = await take('websocket');
      return { url: url.replace(/\?.*/, ''), protocols: [SUBPROTOCOL, ticket] };
    },
    attachRenewal: sockets.attach,
    get refusal() {
      return refusal;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    reset() {
      id = `t${made++}`;
      http.forget();
      tell();
      pace.hurry();
      sockets.dropAll();
    },
  };
}
