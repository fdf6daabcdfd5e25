import { type ClientPorts, inBrowser } from './ports.ts';

/** How the caller proves to the broker who is asking. */
export type Credential =
  /** Signed in at the broker: its cookie goes along. */
  | { readonly kind: 'session' }
  /** Signed in with Cloudflare Access in front of the broker: its cookie goes along. */
  | { readonly kind: 'access' }
  /**
   * An access token for the broker's API. `get` is asked before each mint, and once more with `fresh` when the broker
   * refuses what it gave, since a clock that is wrong makes an expired token look good. An OAuth error
   * (`login_required`) and an empty answer mean that nobody is signed in; any other rejection is tried again.
   */
  | {
      readonly kind: 'access-token';
      readonly get: (how: { readonly fresh: boolean }) => Promise<string | undefined>;
    }
  /** A service token of the broker. Outside of browsers only: whoever opens a page could read it. */
  | { readonly kind: 'service-token'; readonly clientId: string; readonly clientSecret: string }
  /** Nobody in particular: public agents. */
  | { readonly kind: 'none' };

export type Surroundings = 'browser' | 'server-render' | 'process';

export interface TicketProviderOptions {
  /** Base address of the broker: https, or http on loopback. */
  readonly broker: string;
  /** Host of the agent worker as `useAgent` takes it: `agents.example.com`, with or without a scheme. */
  readonly host: string;
  /** Slug of the agent in the registry (kebab-case); `useAgent` makes the same of a binding's name. */
  readonly agent: string;
  /** Left out: `default`. Agents that belong to their first user have no default. */
  readonly instance?: string;
  readonly credential: Credential;
  /** How the ticket rides the upgrade. Default `subprotocol`; `query` only where a proxy drops subprotocols. */
  readonly delivery?: 'subprotocol' | 'query';
  /** Scopes, separated by spaces; narrows what the role allows. Default: all of it. */
  readonly scope?: string;
  /** Seconds of a ticket's life, 5 to 300. Default: the broker's 60. */
  readonly expiresIn?: number;
  /**
   * Default: found out. In `server-render` nothing is asked of anybody. Say `process` in a Node or Deno client that
   * uses an access token or a public agent; with a service token it is the default there.
   */
  readonly runsIn?: Surroundings;
  readonly ports?: Partial<ClientPorts>;
}

export interface Settings extends TicketProviderOptions {
  readonly instance: string;
  readonly runsIn: Surroundings;
  /** The credential is a cookie. */
  readonly ambient: boolean;
}

/** Anything else would show the credential to the network. */
const SAFE = /^(https:|http:\/\/(localhost|127(\.\d+){3}|\[::1\])(:|$))/;

/**
 * Options with their defaults. Throws a `TypeError` for what must not be tried; whether agent, instance and scope
 * exist only the broker knows.
 */
export function settle(options: TicketProviderOptions): Settings {
  const { kind } = options.credential;
  const service = kind === 'service-token';
  const browser = inBrowser();
  const runsIn = options.runsIn ?? (browser ? 'browser' : service ? 'process' : 'server-render');
  if (!SAFE.test(new URL(options.broker).origin)) throw new TypeError('broker: https, or http on loopback');
  if (service && (browser || runsIn === 'browser'))
    throw new TypeError('service-token: not in a browser, where everybody can read it');
  return {
    instance: 'default',
    ...options,
    broker: options.broker.replace(/\/$/, ''),
    runsIn,
    ambient: kind === 'session' || kind === 'access',
  };
}
