import type { ClientPorts } from './ports.ts';

/** How the caller authenticates to the broker. */
export type Credential =
  /** The person is signed in at the broker. The browser sends the broker's session cookie. */
  | { readonly kind: 'session' }
  /** The person is signed in with Cloudflare Access in front of the broker. The browser sends the cookie of Access. */
  | { readonly kind: 'access' }
  /**
   * An access token for the broker's API. The provider calls `get` before each mint. If the broker refuses the token, the
   * provider calls `get` once more with `fresh`, because a wrong clock makes an expired token look valid. An OAuth error
   * (`login_required`) and an empty result mean that nobody is signed in. After any other rejection the provider retries.
   */
  | {
      readonly kind: 'access-token';
      readonly get: (how: { readonly fresh: boolean }) => Promise<string | undefined>;
    }
  /** A service token of the broker. Only outside of browsers, because every visitor of a page could read the token. */
  | { readonly kind: 'service-token'; readonly clientId: string; readonly clientSecret: string }
  /** No credential: only for public agents. */
  | { readonly kind: 'none' };

type ClientRuntime = 'browser' | 'server-render' | 'process';

export interface TicketProviderOptions {
  /** Base address of the broker: https, or http on loopback. */
  readonly broker: string;
  /** Host of the agent worker as `useAgent` takes it: `agents.example.com`, with or without a scheme. */
  readonly host: string;
  /** Slug of the agent in the registry (kebab-case). `useAgent` derives the same slug from the name of a binding. */
  readonly agent: string;
  /** Default: `default`. Agents that belong to their first user have no default. */
  readonly instance?: string;
  /** How the caller authenticates to the broker; see the kinds of credential. */
  readonly credential: Credential;
  /** How the upgrade carries the ticket. Default `subprotocol`; `query` only where a proxy drops subprotocols. */
  readonly delivery?: 'subprotocol' | 'query';
  /** Scopes, separated by spaces: a part of the scopes of the role. Default: all scopes of the role. */
  readonly scope?: string;
  /** Lifetime of a ticket in seconds, 5 to 300. Default: 60, set by the broker. */
  readonly expiresIn?: number;
  /**
   * Default: detected. In `server-render` the provider sends no request. Set `process` in a Node or Deno client that uses
   * an access token or a public agent. With a service token, `process` is the default in Node and Deno.
   */
  readonly runsIn?: ClientRuntime;
  /** Clock, timers, randomness, `fetch` and sockets, for tests. Default: those of the runtime. */
  readonly ports?: Partial<ClientPorts>;
}

export interface Settings extends TicketProviderOptions {
  readonly instance: string;
  readonly runsIn: ClientRuntime;
  /** The credential is a cookie. */
  readonly ambient: boolean;
}

/** Any other address would expose the credential to the network. */
const SAFE = /^(https:|http:\/\/(localhost|127(\.\d+){3}|\[::1\])(:|$))/;

/** A page, or a web worker of one: the person at the screen can read its code and memory. */
const inBrowser = (): boolean => 'document' in globalThis || 'importScripts' in globalThis;

/**
 * Options with their defaults. Throws a `TypeError` for unsafe options. Does NOT check that agent, instance and scope
 * exist: only the broker knows.
 */
export function resolveOptions(options: TicketProviderOptions): Settings {
  const { kind } = options.credential;
  const service = kind === 'service-token';
  const browser = inBrowser();
  const runsIn = options.runsIn ?? (browser ? 'browser' : service ? 'process' : 'server-render');
  if (!SAFE.test(new URL(options.broker).origin)) throw new TypeError('broker: https, or http on loopback');
  if (service && (browser || runsIn === 'browser'))
    throw new TypeError('service-token: visitors can read it');
  return {
    instance: 'default',
    ...options,
    broker: options.broker.replace(/\/$/, ''),
    runsIn,
    ambient: kind === 'session' || kind === 'access',
  };
}
