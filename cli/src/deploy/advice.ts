import type { Facts } from './facts.ts';

/** What no command does: steps in the consoles of Cloudflare Access and Auth0, and the copy of the secrets. */
export function adviceOf(facts: Facts): readonly string[] {
  const { deployment, account, secretsFile, profile } = facts;
  const { broker, agents, broker_vars: vars = {}, broker_hostnames: more = [] } = deployment;
  const dashboard = `https://one.dash.cloudflare.com/${account.id}/access-controls/apps`;
  const [sso] = more;
  const access =
    vars.CF_ACCESS_AUD === undefined
      ? [
          `People by Cloudflare Access: at ${dashboard} add a self-hosted application for a second hostname of the broker, then write`,
          `  "broker_hostnames": ["broker-sso.…"] and "broker_vars": {"CF_ACCESS_TEAM_DOMAIN", "CF_ACCESS_AUD", "CLAIM_RULES"} into deploy.json, and repeat the command.`,
        ]
      : [
          `Access (${dashboard}): its application covers ${sso ?? 'the hostname of the broker'}, and nothing covers ${agents}: a policy there refuses WebSockets.`,
          ...(sso === undefined
            ? [
                `  It lets /.well-known/* , /readyz and the callers with service tokens at ${broker} pass by a bypass policy.`,
              ]
            : []),
        ];
  const auth0 =
    vars.AUTH0_CLIENT_ID === undefined
      ? [
          'People by Auth0: "AUTH0_DOMAIN", "AUTH0_AUDIENCE" and "AUTH0_CLIENT_ID" in "broker_vars", and repeat the command.',
        ]
      : [
          `Auth0, in the application ${String(vars.AUTH0_CLIENT_ID)}:`,
          `  Allowed Callback URLs ${originOf(vars, broker)}/auth/callback`,
          `  Allowed Logout URLs ${originOf(vars, broker)}`,
        ];
  return [
    ...access,
    ...auth0,
    ...([...facts.broker.missing, ...facts.agents.missing].some(({ from }) => from !== 'environment')
      ? [`Keep a copy of the file ${secretsFile} where you keep secrets: a worker does not give them back.`]
      : []),
    `The first command: npx agent-ticket me --profile ${profile}`,
  ];
}

const originOf = (vars: Readonly<Record<string, unknown>>, broker: string): string =>
  typeof vars.BASE_URL === 'string' ? vars.BASE_URL : broker;
