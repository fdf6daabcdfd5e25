import { type Caller, describeRefusal, membersOf, type RequestBroker, textOr } from './broker.ts';
import { clockTime, elementOf, make } from './dom.ts';

/** The sign-in methods that the page offers. */
const METHODS = ['access', 'session', 'nobody'] as const;
type Method = (typeof METHODS)[number];

/** The person as `GET /me` of the broker shows them. */
interface Me {
  readonly principal: string;
  readonly email: string | undefined;
  readonly tier: string;
  readonly method: Exclude<Method, 'nobody'>;
  /** When the sign-in ends, in ms since 1970; `undefined`: unknown. */
  readonly endsAt: number | undefined;
}

/** Reads `GET /me`; `undefined` where it is not an answer of that form, or not of a person with a cookie. */
export function readMe(body: unknown): Me | undefined {
  const { principal, email, tier, method: name, expires_at: end } = membersOf(body);
  const method = name === 'access' ? 'access' : name === 'auth0-session' ? 'session' : undefined;
  if (typeof principal !== 'string' || method === undefined) return undefined;
  const endsAt = typeof end === 'string' ? Date.parse(end) : Number.NaN;
  return {
    principal,
    email: textOr(email, undefined),
    tier: textOr(tier, 'free'),
    method,
    endsAt: Number.isNaN(endsAt) ? undefined : endsAt,
  };
}

interface Addresses {
  readonly broker: string;
  /** The page itself, to come back to, as it is listed for a logout: without a fragment. */
  readonly page: string;
  /** The stand-in for Access, where there is none in front of the broker. */
  readonly accessUrl: string | undefined;
}

interface Link {
  readonly href: string;
  readonly text: string;
  /** Access itself does not redirect back to this page, so it opens in another window. */
  readonly newWindow: boolean;
  /** The expected next step, shown as the primary button. */
  readonly primary: boolean;
}

const join = (base: string, path: string, query: Record<string, string> = {}): string => {
  const search = new URLSearchParams(query).toString();
  return `${base.replace(/\/$/, '')}${path}${search === '' ? '' : `?${search}`}`;
};

/** The sign-in link of a method. */
export function signInLink(method: Exclude<Method, 'nobody'>, { broker, page, accessUrl }: Addresses): Link {
  const link = { newWindow: false, primary: true };
  if (method === 'session') {
    const login = join(broker, '/auth/login', { return_to: `${page}#session` });
    // The broker prefers the cookie of Access to its own session.
    const href =
      accessUrl === undefined ? login : join(accessUrl, '/cdn-cgi/access/logout', { redirect_url: login });
    return { ...link, href, text: 'Sign in at the broker' };
  }
  const text = 'Sign in with Access';
  return accessUrl === undefined
    ? { ...link, href: join(broker, '/me'), text, newWindow: true }
    : { ...link, href: join(accessUrl, '/cdn-cgi/access/login', { redirect_url: `${page}#access` }), text };
}

/** The sign-out link of a method. */
export function signOutLink(method: Exclude<Method, 'nobody'>, { broker, page, accessUrl }: Addresses): Link {
  const link = { text: 'Sign out', newWindow: false, primary: false };
  if (method === 'session') return { ...link, href: join(broker, '/auth/logout', { return_to: page }) };
  return accessUrl === undefined
    ? { ...link, href: join(broker, '/cdn-cgi/access/logout'), newWindow: true }
    : { ...link, href: join(accessUrl, '/cdn-cgi/access/logout', { redirect_url: page }) };
}

const METHOD_NAMES: Readonly<Record<Method, string>> = {
  access: 'Cloudflare Access',
  session: 'the broker’s own login',
  nobody: 'nobody',
};

/** How the broker identifies this browser, for the chosen method. */
export function describeIdentity(chosen: Method, me: Me | undefined): string {
  if (chosen === 'nobody')
    return 'The page asks without any credential. That is enough for a public agent, and for no other.';
  if (me === undefined) return 'Nobody is signed in in this browser.';
  const name = me.email ?? me.principal;
  if (me.method === chosen) return `You are ${name}, by ${METHOD_NAMES[me.method]}.`;
  return `You are ${name}, but by ${METHOD_NAMES[me.method]}. Sign out first to come in by ${METHOD_NAMES[chosen]}.`;
}

export interface IdentityPanel {
  /** The caller of the page's requests. */
  caller(): Caller;
  /** Whether the broker has identified a signed-in caller. */
  isSignedIn(): boolean;
  /** Requests the identity from the broker again. */
  refresh(): Promise<void>;
}

/** The choice of a sign-in method, and the identity at the broker. `onChange` runs when the caller changes. */
export function showIdentity(
  addresses: Addresses,
  request: RequestBroker,
  onChange: () => void,
): IdentityPanel {
  const section = elementOf(document, '#identity', HTMLElement);
  const status = elementOf(section, '#identity-status', HTMLElement);
  const details = elementOf(section, '#identity-details', HTMLElement);
  const links = elementOf(section, '#identity-links', HTMLElement);
  const radios = METHODS.map((method) => elementOf(section, `input[value="${method}"]`, HTMLInputElement));
  let me: Me | undefined;

  const chosen = (): Method => METHODS.find((_, index) => radios[index]?.checked) ?? 'nobody';
  const choose = (method: Method): void => {
    radios.forEach((radio, index) => {
      radio.checked = METHODS[index] === method;
    });
  };

  function render(): void {
    const method = chosen();
    status.textContent = describeIdentity(method, me);
    details.replaceChildren(...(method === 'nobody' || me === undefined ? [] : detailsOf(me)));
    links.replaceChildren(...linksOf(method, me, addresses).map(linkElement));
    // The choice is in the address, so that it survives a sign-in redirect and applies to a second window.
    history.replaceState(null, '', `#${method}`);
    elementOf(document, '#second', HTMLAnchorElement).href = `/#${method}`;
  }

  async function refresh(): Promise<void> {
    const before = callerKey();
    // Without `optional` a page of somebody who is not signed in begins with an error in the console.
    const answer = chosen() === 'nobody' ? undefined : await request('signed-in', 'GET', '/me?optional=true');
    me = answer?.ok ? readMe(answer.body) : undefined;
    render();
    if (answer?.ok === false && answer.refusal.status !== 401)
      status.textContent = describeRefusal(answer.refusal);
    if (callerKey() !== before) onChange();
  }

  const caller = (): Caller => (chosen() === 'nobody' ? 'anonymous' : 'signed-in');
  const callerKey = (): string => `${caller()} ${me?.principal}`;

  // Without a method in the address the default of the page stays, or a choice that was made before this script ran.
  choose(METHODS.find((method) => location.hash === `#${method}`) ?? chosen());
  section.addEventListener('change', () => void refresh());
  // A sign-in in another window becomes visible when this window gets the focus.
  window.addEventListener('focus', () => void refresh());
  return { caller, isSignedIn: () => caller() === 'signed-in' && me !== undefined, refresh };
}

function linksOf(method: Method, me: Me | undefined, addresses: Addresses): Link[] {
  if (me !== undefined && method !== 'nobody') return [signOutLink(me.method, addresses)];
  return method === 'nobody' ? [] : [signInLink(method, addresses)];
}

function linkElement({ href, text, newWindow, primary }: Link): HTMLElement {
  const link = make('a', text);
  link.href = href;
  link.className = primary ? 'button' : 'button plain';
  // The broker ends a sign-in only for listed pages, and identifies them by the referrer.
  link.referrerPolicy = 'origin';
  if (newWindow) {
    link.target = '_blank';
    link.rel = 'noopener';
  }
  return link;
}

function detailsOf({ principal, tier, endsAt }: Me): HTMLElement[] {
  const rows: readonly (readonly [string, string])[] = [
    ['Principal', principal],
    ['Tier', tier],
    ...(endsAt === undefined ? [] : [['Signed in until', clockTime(endsAt)] as const]),
  ];
  return rows.flatMap(([name, value]) => [make('dt', name), make('dd', value)]);
}
