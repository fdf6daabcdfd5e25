import * as z from 'zod';
import { PERMISSIONS } from '../../../src/credentials/permissions.ts';
import { checkedApp } from '../../openapi.ts';
import { testIssuer } from '../issuer.ts';
import { BROKER, NOW, type StartedBroker, startNodeBroker } from '../start-broker.ts';

const TENANT = 'https://tenant.test/';
const AUDIENCE = 'https://broker.test/api';

export const Shown = z.strictObject({
  id: z.string(),
  client_id: z.string(),
  name: z.string(),
  agents: z.array(z.string()).nullable(),
  permissions: z.array(z.string()),
  tier: z.string(),
  created_at: z.string(),
  expires_at: z.string().nullable(),
  last_used_at: z.string().nullable(),
});
const Made = Shown.extend({ client_secret: z.string() });
export const Rotated = Made.extend({
  previous_expires_at: z.string(),
  receipt: z.looseObject({}).optional(),
});
export const Listed = z.strictObject({ items: z.array(Shown), next_cursor: z.string().nullable() });

/** Who calls: claims of a person's token, or a service token's secret. */
export type Caller =
  | { readonly sub?: string; readonly tier?: string; readonly permissions?: readonly string[] }
  | string
  | undefined;
export const ROOT: Caller = { tier: 'admin', permissions: PERMISSIONS };

export interface TokenBroker extends StartedBroker {
  call(who: Caller, method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<Response>;
  /** A service token that somebody made over HTTP. */
  make(body?: object, who?: Caller): Promise<z.infer<typeof Made>>;
  /** The status of `GET /me` with a secret. */
  uses(secret: string): Promise<number>;
}

/** A broker whose people have the tier and permissions that their token claims. */
export async function startTokenBroker(): Promise<TokenBroker> {
  const tenant = await testIssuer(TENANT);
  const rules = [
    ...['pro', 'admin'].map((tier) => ({ claim: 'tier', equals: tier, tier })),
    ...[...PERMISSIONS, 'agents'].map((name) => ({
      claim: 'permissions',
      equals: name,
      permissions: [name],
    })),
  ];
  const started = await startNodeBroker(
    {
      AUTH0_DOMAIN: 'tenant.test',
      AUTH0_AUDIENCE: AUDIENCE,
      CLAIM_RULES: JSON.stringify(rules.map((rule) => ({ issuer: TENANT, ...rule }))),
    },
    { 'https://tenant.test/.well-known/jwks.json': tenant.keySet },
  );
  const beside: Promise<void>[] = [];
  const { credentials } = started.ports;
  const serviceTokens = {
    ...credentials.serviceTokens,
    later: (work: Promise<void>) => void beside.push(work),
  };
  const app = checkedApp({ ...started.ports, credentials: { ...credentials, serviceTokens } });
  const bearerOf = async (who: Exclude<Caller, undefined>): Promise<string> => {
    if (typeof who === 'string') return who;
    const times = { iat: started.clock.now - 60, exp: started.clock.now + 3600 };
    return tenant.sign({ sub: 'root', aud: AUDIENCE, ...times, ...who });
  };
  const call: TokenBroker['call'] = async (who, method, path, body) => {
    const answer = await app.request(`${BROKER}${path}`, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(who === undefined ? {} : { authorization: `Bearer ${await bearerOf(who)}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    await Promise.all(beside.splice(0));
    return answer;
  };
  return {
    ...started,
    call,
    make: async (body = {}, who = ROOT) =>
      Made.parse(await (await call(who, 'POST', '/admin/service-tokens', { name: 'bot', ...body })).json()),
    uses: async (secret) => (await call(secret, 'GET', '/me')).status,
  };
}

export const isoAt = (seconds: number): string => new Date((NOW + seconds) * 1000).toISOString();
