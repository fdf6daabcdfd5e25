import { MCP_OAUTH } from '@agent-ticket/shared/callbacks.ts';
import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { base64url } from 'jose';

/**
 * The browser of a person, by a cookie of the gate's own. An OAuth flow ends in the browser in which it began, or an
 * attacker could make a person finish the attacker's flow. The cookie is no credential: it tells browsers apart, not people.
 */

/** Of this host alone, over TLS (RFC 6265bis §4.1.3.2): no other host of the site can set it. */
const COOKIE = '__Host-agent-ticket-browser';
const VALUE = /^[A-Za-z0-9_-]{43}$/;

/**
 * What may be around a pair (RFC 6265 §4.2.1), and no other white space: with a space of Unicode before it a name has no
 * prefix for the browser, so that any host of the site can set it for this one.
 */
const SPACE = /^[ \t]+|[ \t]+$/g;

function cookieOf(headers: Headers): string | undefined {
  const values = (headers.get('cookie') ?? '')
    .split(';')
    .map((pair) => pair.replaceAll(SPACE, '').split('='))
    .filter(([name]) => name === COOKIE)
    .map(([, value = '']) => value);
  const [value = '', ...others] = values;
  return others.length === 0 && VALUE.test(value) ? value : undefined;
}

const digestOf = async (value: string): Promise<string> =>
  base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(value))));

/** Digest of the browser's cookie; `undefined` where the browser has none. */
export async function browserOf(headers: Headers): Promise<string | undefined> {
  const value = cookieOf(headers);
  return value === undefined ? undefined : digestOf(value);
}

/**
 * Whether a page of this site may be asking. Chromium sends no `Sec-Fetch-Site` with an upgrade, so the origin decides. Two
 * hosts of two sites may end alike (`co.uk`): then the browser takes no cookie (`SameSite=Lax`), and no flow ends.
 */
function maybeSameSite(url: URL, headers: Headers): boolean {
  const site = headers.get('sec-fetch-site');
  if (site !== null) return site === 'same-origin' || site === 'same-site';
  const origin = headers.get('origin');
  if (origin === null || !URL.canParse(origin)) return false;
  const page = new URL(origin);
  return page.protocol === url.protocol && siteOf(page.hostname) === siteOf(url.hostname);
}

/** The last two labels of a host, which every site has at least. An IP address is a site of its own. */
const siteOf = (hostname: string): string =>
  /^[\d.]+$|:/.test(hostname) ? hostname : hostname.split('.').slice(-2).join('.');

interface KnownBrowser {
  readonly digest?: string;
  /** `Set-Cookie` for a browser that had no cookie yet. */
  readonly cookie?: string;
}

/** The browser of an upgrade or plain request, for agents that add MCP servers with OAuth. An upgrade may set its cookie. */
export async function knowBrowser(
  url: URL,
  headers: Headers,
  { callbacks = [] }: Pick<AgentEntry, 'callbacks'>,
  isUpgrade: boolean,
): Promise<KnownBrowser> {
  if (!callbacks.some(({ name }) => name === MCP_OAUTH)) return {};
  const digest = await browserOf(headers);
  if (digest !== undefined) return { digest };
  if (!isUpgrade || !maybeSameSite(url, headers)) return {};
  const value = base64url.encode(crypto.getRandomValues(new Uint8Array(32)));
  return {
    digest: await digestOf(value),
    cookie: `${COOKIE}=${value}; Path=/; Secure; HttpOnly; SameSite=Lax`,
  };
}
