import { membersOf, textOr } from '../json.ts';

/** The ways to be somebody that the page offers. */
export const WAYS = ['access', 'session', 'nobody'] as const;
export type Way = (typeof WAYS)[number];

/** The person as `GET /me` of the broker shows them. */
export interface Me {
  readonly principal: string;
  readonly email: string | undefined;
  readonly tier: string;
  readonly way: Exclude<Way, 'nobody'>;
  /** When the sign-in ends, in ms since 1970; `undefined`: not told. */
  readonly endsAt: number | undefined;
}

/** Reads `GET /me`; `undefined` where it is not an answer of that form, or not of a person with a cookie. */
export function readMe(body: unknown): Me | undefined {
  const { principal, email, tier, method, expires_at: end } = membersOf(body);
  const way = method === 'access' ? 'access' : method === 'auth0-session' ? 'session' : undefined;
  if (typeof principal !== 'string' || way === undefined) return undefined;
  const endsAt = typeof end === 'string' ? Date.parse(end) : Number.NaN;
  return {
    principal,
    email: textOr(email, undefined),
    tier: textOr(tier, 'free'),
    way,
    endsAt: Number.isNaN(endsAt) ? undefined : endsAt,
  };
}

export interface Addresses {
  readonly broker: string;
  /** The page itself, to come back to, as it is listed for a logout: without a fragment. */
  readonly page: string;
  /** What plays Access, where none stands before the broker. */
  readonly accessUrl: string | undefined;
}

export interface Link {
  readonly href: string;
  readonly text: string;
  /** Access of its own does not lead back to this page, so it gets a window of its own. */
  readonly newWindow: boolean;
  /** What comes next, rather than what is possible, too. */
  readonly wanted: boolean;
}

const join = (base: string, path: string, query: Record<string, string> = {}): string => {
  const search = new URLSearchParams(query).toString();
  return `${base.replace(/\/$/, '')}${path}${search === '' ? '' : `?${search}`}`;
};

/** Where one signs in in a way. */
export function signInLink(way: Exclude<Way, 'nobody'>, { broker, page, accessUrl }: Addresses): Link {
  const link = { newWindow: false, wanted: true };
  if (way === 'session') {
    const login = join(broker, '/auth/login', { return_to: `${page}#session` });
    // The cookie of Access would beat the session at the broker.
    const href =
      accessUrl === undefined ? login : join(accessUrl, '/cdn-cgi/access/logout', { redirect_url: login });
    return { ...link, href, text: 'Sign in at the broker' };
  }
  const text = 'Sign in with Access';
  return accessUrl === undefined
    ? { ...link, href: join(broker, '/me'), text, newWindow: true }
    : { ...link, href: join(accessUrl, '/cdn-cgi/access/login', { redirect_url: `${page}#access` }), text };
}

/** Where one signs out of the way one came in. */
export function signOutLink(way: Exclude<Way, 'nobody'>, { broker, page, accessUrl }: Addresses): Link {
  const link = { text: 'Sign out', newWindow: false, wanted: false };
  if (way === 'session') return { ...link, href: join(broker, '/auth/logout', { return_to: page }) };
  return accessUrl === undefined
    ? { ...link, href: join(broker, '/cdn-cgi/access/logout'), newWindow: true }
    : { ...link, href: join(accessUrl, '/cdn-cgi/access/logout', { redirect_url: page }) };
}

const WAY_NAMES: Readonly<Record<Way, string>> = {
  access: 'Cloudflare Access',
  session: 'the broker’s own login',
  nobody: 'nobody',
};

/** What the broker makes of this browser, for the way that was chosen. */
export function describeIdentity(chosen: Way, me: Me | undefined): string {
  if (chosen === 'nobody')
    return 'The page asks without any credential. That is enough for a public agent, and for no other.';
  if (me === undefined) return 'Nobody is signed in in this browser.';
  const name = me.email ?? me.principal;
  if (me.way === chosen) return `You are ${name}, by ${WAY_NAMES[me.way]}.`;
  return `You are ${name}, but by ${WAY_NAMES[me.way]}. Sign out first to come in by ${WAY_NAMES[chosen]}.`;
}
