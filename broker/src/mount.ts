import { createApp } from './app.ts';
import { ROUTES } from './resources/routes.ts';
import type { BrokerPorts } from './runtime/ports.ts';

/*
 * The broker in the worker of its agents. A page that an agent serves has the origin of everything else on that
 * hostname: a browser would send it along with the cookies of the person, and let it read the answers. So there the broker
 * takes no credential that a browser or Access adds, and nobody signs in. That is on the hostname of `BASE_URL` alone,
 * where the broker answers every request, and no agent.
 */

/** Which requests are the broker's: all on its own hostname, or those below its path where agents are, too. */
export type Place = 'own-hostname' | 'beside-agents';

const METADATA = '/.well-known/oauth-authorization-server';

/** `undefined`: the request is the worker's own. Does NOT depend on a configuration that is sound. */
export function placeOf(url: string, basePath: string, env: object): Place | undefined {
  if (!URL.canParse(url)) return undefined;
  const { hostname, pathname } = new URL(url);
  if ('BASE_URL' in env && typeof env.BASE_URL === 'string' && hostnameOf(env.BASE_URL) === hostname)
    return 'own-hostname';
  // In the form in which it came. A second spelling is the worker's own, and no secret way to the broker.
  const isBelow = pathname === basePath || pathname.startsWith(`${basePath}/`);
  // Its well-known part comes before the issuer's path (RFC 8414 §3.1).
  return isBelow || pathname === METADATA + basePath ? 'beside-agents' : undefined;
}

const hostnameOf = (url: string): string | undefined =>
  URL.canParse(url) ? new URL(url).hostname : undefined;

/** The broker for a request of each place. */
export function mountApps(ports: BrokerPorts): (request: Request, place: Place) => Promise<Response> {
  const whole = createApp(ports);
  const besideAgents = createApp(
    ports,
    ROUTES.filter(({ path }) => !path.startsWith('/auth/')),
  );
  return async (request, place) =>
    place === 'own-hostname'
      ? whole.fetch(request)
      : withoutDialog(request, await besideAgents.fetch(withoutAmbient(request)));
}

/** Credentials that the page did not have to know. */
const AMBIENT = ['cookie', 'cf-access-jwt-assertion'];

function withoutAmbient(request: Request): Request {
  const headers = new Headers(request.headers);
  for (const name of AMBIENT) headers.delete(name);
  return new Request(request, { headers });
}

/**
 * The answer without a challenge for Basic, where a browser asked: it would ask the person for a name and a password, and
 * add them to every later request of every page there (RFC 7617 §2.2).
 */
function withoutDialog({ headers }: Request, answer: Response): Response {
  if (headers.has('sec-fetch-mode') && answer.headers.has('www-authenticate'))
    answer.headers.set('www-authenticate', 'Bearer realm="broker"');
  return answer;
}
