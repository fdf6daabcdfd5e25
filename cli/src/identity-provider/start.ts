import { PERMISSIONS } from '@agent-ticket/broker/src/credentials/permissions.ts';
import { openAccessIssuer, stableUuid } from './access-issuer.ts';
import { openAuth0Tenant } from './auth0-tenant.ts';
import { listenOnLoopback } from './http.ts';
import { mcpServerUrl } from './mcp-server.ts';
import { accessSettings, auth0Settings, type IdentityProviderOptions } from './options.ts';
import { PEOPLE } from './people.ts';
import { type Fault, Faults, PATHS, RequestLog, requestListener, type SeenRequest } from './routes.ts';

export type { Fault, IdentityProviderOptions, SeenRequest };

/** A running stand-in. URLs are plain http on 127.0.0.1; issuers are the https names that tokens carry. */
export interface IdentityProvider {
  url: string;
  access: {
    /** `https://<team domain>`, no trailing slash. */
    issuer: string;
    audience: string;
    certsUrl: string;
    identityUrl: string;
    /** POST `{email?, commonName?, aud?, expiresIn? (seconds, 86400), claims?}` answers `{token}`. */
    tokenUrl: string;
    /** Below it a browser signs in and out, at `/cdn-cgi/access/login` and `/logout` with `?redirect_url=`. */
    url: string;
    rotate(): Promise<void>;
  };
  auth0: {
    domain: string;
    /** `https://<domain>/`, with a trailing slash. */
    issuer: string;
    audience: string;
    jwksUrl: string;
    /** POST `{sub, scope?, audience?, expiresIn? (seconds, 3600), claims?}` answers `{token}`. */
    tokenUrl: string;
    clientId: string;
    clientSecret: string;
    rotate(): Promise<void>;
  };
  /** Address of an MCP server that asks for OAuth. */
  mcpUrl: string;
  /** The newest 10,000 requests, oldest first, those that a fault answered included. */
  requests(): readonly SeenRequest[];
  /** Makes a path (or URL) answer wrongly or late; null ends that. */
  fail(path: string, how: Fault | null): void;
  close(): Promise<void>;
}

/** Rejects with a message that names the port when it is taken. Prints nothing. For development and tests only. */
export async function startIdentityProvider(options: IdentityProviderOptions): Promise<IdentityProvider> {
  const { stateDir, now = Date.now } = options;
  const auth0 = auth0Settings(options);
  const team = accessSettings(options);
  const [access, tenant] = await Promise.all([
    openAccessIssuer(team, stateDir, now),
    openAuth0Tenant(auth0, stateDir, now),
  ]);
  const faults = new Faults();
  const log = new RequestLog();
  const stop = new AbortController();
  const hostNames = new Set(['127.0.0.1', 'localhost', team.teamDomain, auth0.domain]);
  const listener = requestListener({ access, tenant, now, faults, log, hostNames, stop: stop.signal });
  const server = await listenOnLoopback(options.port, listener);
  const at = (path: string) => `${server.url}${path}`;
  return {
    url: server.url,
    access: {
      issuer: access.issuer,
      audience: access.audience,
      certsUrl: at(PATHS.accessCerts),
      identityUrl: at(PATHS.accessIdentity),
      tokenUrl: at(PATHS.accessToken),
      url: at('/access'),
      rotate: access.ring.rotate,
    },
    auth0: {
      domain: auth0.domain,
      issuer: tenant.issuer,
      audience: auth0.audience,
      jwksUrl: at(PATHS.tenantJwks),
      tokenUrl: at(PATHS.auth0Token),
      clientId: auth0.clientId,
      clientSecret: auth0.clientSecret,
      rotate: tenant.rotate,
    },
    mcpUrl: mcpServerUrl(server.url),
    requests: () => log.all(),
    fail: (path, how) => faults.set(path, how),
    async close() {
      stop.abort();
      await server.close();
    },
  };
}

/** Settings of a broker that trusts the stand-in as its Access team and its Auth0 tenant. */
export const brokerSettings = ({ access, auth0 }: IdentityProvider) => ({
  CF_ACCESS_TEAM_DOMAIN: new URL(access.issuer).hostname,
  CF_ACCESS_AUD: access.audience,
  CF_ACCESS_CERTS_URL: access.certsUrl,
  AUTH0_DOMAIN: auth0.domain,
  AUTH0_AUDIENCE: auth0.audience,
  AUTH0_JWKS_URL: auth0.jwksUrl,
});

/** {@link brokerSettings}, and those by which people sign in at the tenant. */
export const signInSettings = (identityProvider: IdentityProvider) => ({
  ...brokerSettings(identityProvider),
  AUTH0_CLIENT_ID: identityProvider.auth0.clientId,
  AUTH0_CLIENT_SECRET: identityProvider.auth0.clientSecret,
  AUTH0_TENANT_URL: identityProvider.url,
  CLAIM_RULES: JSON.stringify(operatorRules(identityProvider)),
  // Both verify addresses, so that grants to addresses can be tried.
  TRUST_EMAIL: [identityProvider.access.issuer, identityProvider.auth0.issuer].join(','),
});

/** Claim rules that make people operators, for each way of signing in. They match no person of a real issuer. */
const operatorRules = ({ access, auth0 }: IdentityProvider) =>
  PEOPLE.flatMap(({ email, sub, operates }) =>
    operates === undefined
      ? []
      : [
          { issuer: access.issuer, claim: 'email', equals: email },
          // Access tokens of the tenant have no address.
          { issuer: auth0.issuer, claim: 'sub', equals: sub },
        ].map((rule) => ({
          ...rule,
          tier: 'admin',
          permissions: PERMISSIONS.filter((name) => operates === 'all' || name.endsWith(':read')),
        })),
  );

/** The people who have a role from the start, with the ids of their principals by Access and by Auth0. */
export const seededPeople = ({ access, auth0 }: Pick<IdentityProvider, 'access' | 'auth0'>) =>
  PEOPLE.flatMap(({ email, sub, seededRole }) =>
    seededRole === undefined
      ? []
      : [
          {
            role: seededRole,
            subjects: [
              `access:${new URL(access.issuer).hostname}:user:${stableUuid(email)}`,
              `auth0:${auth0.domain}:${sub}`,
            ],
          },
        ],
  );
