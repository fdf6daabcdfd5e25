import { MCP_OAUTH } from '@agent-ticket/shared/callbacks.ts';
import { InstanceName } from '@agent-ticket/shared/names.ts';
import { getCurrentAgent } from 'agents';
import * as z from 'zod';
import type { StatePlace } from '../callback-token.ts';
import { knownAgentOf } from '../known-agents.ts';
import type { Verifier } from '../verifier.ts';
import type { Caller } from './caller.ts';
import { frameMembers } from './frames.ts';

/**
 * MCP servers with OAuth that an agent adds. The provider sends the browser back to the agent's callback `mcp-oauth`, whose
 * address is public and has no query. The proof is the nonce in the flow's `state`, which names the browser that began.
 */

interface OAuthPorts {
  readonly kv: Pick<SyncKvStorage, 'get' | 'put' | 'delete'>;
  readonly env: object;
  readonly id: DurableObjectId;
  readonly verifier: () => Pick<Verifier, 'config' | 'callbackTokens'>;
  readonly caller: Pick<Caller, 'browser'>;
  readonly clock: () => number;
}

/** The time for which the SDK keeps a state. */
const FLOW_SECONDS = 600;

/** Members of the SDK's provider that are used here. A custom provider that extends it has them, too. */
interface StateProvider {
  serverId: string | undefined;
  readonly storage: Pick<DurableObjectStorage, 'put'>;
  stateKey(nonce: string): string;
  state(): Promise<string>;
  checkState(state: string): Promise<{ valid: boolean; serverId?: string; error?: string }>;
}

const isStateProvider = (provider: object): provider is StateProvider =>
  'stateKey' in provider &&
  typeof provider.stateKey === 'function' &&
  'checkState' in provider &&
  'storage' in provider &&
  typeof provider.storage === 'object' &&
  provider.storage !== null &&
  'put' in provider.storage;

/** The SDK's frame of what its clients may see of MCP servers; nothing else of it is read. */
const ServersFrame = z.looseObject({
  mcp: z.looseObject({ servers: z.record(z.string(), z.looseObject({ auth_url: z.string().nullable() })) }),
  type: z.literal('cf_agent_mcp_servers'),
});
export interface ServersState {
  readonly servers: Readonly<Record<string, { readonly auth_url: string | null }>>;
}

/** Sessions with a socket, those of them that get no frame, and the browser of each. */
export interface Audience {
  readonly sessions: readonly string[];
  readonly skipped: string[];
  readonly browserOf: (session: string) => string | undefined;
}
export type Send<Frame> = (frame: Frame, without: string[]) => void;

/** Under which the browser of the newest flow with a server is kept. */
const flowKey = (serverId: string): string => `agent-ticket/mcp-oauth/${serverId}`;

export function createMcpOAuth({ kv, env, id, verifier, caller, clock }: OAuthPorts) {
  /** Where the redirect arrives; `undefined` where the registry has no such callback. */
  function placeOf(): (Omit<StatePlace, 'serverId' | 'browser'> & { readonly path: string }) | undefined {
    const instance = InstanceName.safeParse(id.name).data;
    const agent = instance === undefined ? undefined : knownAgentOf(env, id, instance)?.entry;
    const callback = agent?.callbacks?.find(({ name }) => name === MCP_OAUTH);
    if (instance === undefined || agent === undefined || callback === undefined) return undefined;
    const { audience } = verifier().config;
    const path = `agents/${agent.slug}/${instance}/${callback.path}`;
    return { audience, agent: agent.slug, instance, name: MCP_OAUTH, path };
  }

  /**
   * The state of servers without the addresses at which others go on: one has the `state` of its flow, with which somebody
   * could have the person of that flow end it with the code of another account.
   */
  function shownTo<State extends ServersState>(browser: string | undefined, state: State): State {
    const servers = Object.entries(state.servers).map(([serverId, server]) => {
      const isOwn = browser !== undefined && kv.get(flowKey(serverId)) === browser;
      return [serverId, isOwn ? server : { ...server, auth_url: null }];
    });
    return { ...state, servers: Object.fromEntries(servers) };
  }

  return {
    /** The state of the SDK's servers for its reader: a connection that opens gets it alone, and otherwise all get it. */
    shownState<State extends ServersState>(state: State): State {
      const { connection, request } = getCurrentAgent();
      const isForOne = connection !== undefined && request !== undefined && placeOf() !== undefined;
      return isForOne ? shownTo(caller.browser(), state) : state;
    },

    /** Broadcasts a frame of the SDK: to each browser what it is shown, or the same to all. */
    broadcast<Frame>(
      message: Frame,
      { sessions, browserOf, skipped }: Audience,
      send: Send<Frame | string>,
    ): void {
      const frame =
        typeof message === 'string' && message.includes('"auth_url":"')
          ? ServersFrame.safeParse(frameMembers(message)).data
          : undefined;
      if (frame === undefined || placeOf() === undefined) {
        send(message, skipped);
        return;
      }
      const frames = new Map(
        sessions.map((id) => [id, JSON.stringify({ ...frame, mcp: shownTo(browserOf(id), frame.mcp) })]),
      );
      for (const each of new Set(frames.values()))
        send(each, [...skipped, ...sessions.filter((id) => frames.get(id) !== each)]);
    },

    /**
     * The arguments of the SDK's `addMcpServer` with the redirect of this instance, where the app gave none. The SDK would
     * make a path of the class's name, which the gate does not know.
     */
    withCallback(args: readonly unknown[]): readonly unknown[] {
      const [name, url, host, prefix, options] = args;
      const path = placeOf()?.path;
      if (path === undefined || typeof url !== 'string') return args;
      const given =
        typeof host === 'object' && host !== null
          ? host
          : { ...Object(options), callbackHost: host, agentsPrefix: prefix };
      const { callbackHost, callbackPath } = { callbackHost: undefined, callbackPath: undefined, ...given };
      return [
        name,
        url,
        {
          ...given,
          callbackHost: callbackHost ?? verifier().config.origin,
          callbackPath: callbackPath ?? path,
        },
      ];
    },

    /**
     * Makes a provider use states that the gate can verify. The state of a flow that no browser began is never redeemed: the
     * next call of `addMcpServer` by a browser makes another. Throws a `TypeError` for a provider without states of the
     * SDK's kind.
     */
    guard<Provider extends object>(provider: Provider): Provider {
      const place = placeOf();
      if (place === undefined) return provider;
      if (!isStateProvider(provider))
        throw new TypeError(
          'createMcpOAuthProvider: the provider must extend DurableObjectOAuthClientProvider, whose states the gate verifies',
        );
      const states: StateProvider = provider;
      const checkState = states.checkState.bind(provider);
      const ownState = states.state.bind(provider);
      states.state = async () => {
        const { serverId } = states;
        const browser = caller.browser();
        if (serverId !== undefined) kv.delete(flowKey(serverId));
        if (serverId === undefined || browser === undefined) return ownState();
        const exp = Math.floor(clock() / 1000) + FLOW_SECONDS;
        const nonce = await verifier().callbackTokens.makeNonce({ ...place, serverId, browser }, exp);
        if (nonce === undefined) throw new Error('CALLBACK_KEY: missing');
        kv.put(flowKey(serverId), browser);
        await states.storage.put(states.stateKey(nonce), { nonce, serverId, createdAt: clock() });
        return `${nonce}.${serverId}`;
      };
      states.checkState = async (state) => {
        const browser = caller.browser();
        const nowSeconds = Math.floor(clock() / 1000);
        const isOurs =
          browser !== undefined &&
          (await verifier().callbackTokens.verifyState(state, { ...place, browser }, nowSeconds)).ok;
        return isOurs ? checkState(state) : { valid: false, error: 'State of another browser' };
      };
      return provider;
    },
  };
}
