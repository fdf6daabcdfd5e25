import type { WorkersConfig } from './workers.ts';

/** The part of the configuration that depends on the place of the broker. */
interface Placed extends WorkersConfig {
  readonly issuer: string;
  readonly baseUrl: string | undefined;
  readonly allowedOrigins: readonly string[];
  readonly trustedOrigins: readonly string[];
}

/**
 * Paths of the gate, which a base path must not cover: an agent's request would never arrive, and neither would a command.
 */
const OF_THE_GATE = /^\/(agents|control)(\/|$)/;

/** Settings of the gate, in the same env, that look like misspelt ones of the broker. */
export const GATE_SETTINGS: readonly string[] = ['TICKET_REPLAY'];

/** What is wrong with the configuration of a broker that is mounted at a path of its agents' worker, as one sentence each. */
export function mountFaults(config: Placed, basePath: string): string[] {
  const { issuer, baseUrl } = config;
  const rules: [boolean, string][] = [
    [/^(\/[a-z0-9][a-z0-9-]*)+$/.test(basePath), 'basePath: must be a path like /broker'],
    [!OF_THE_GATE.test(basePath), 'basePath: the gate answers there'],
    [
      new URL(issuer).pathname.replace(/\/$/, '') === basePath,
      `ISSUER: must end in the base path ${basePath}`,
    ],
    [
      baseUrl === undefined || !agentHostnames(config).includes(new URL(baseUrl).hostname),
      'BASE_URL: must have a hostname of its own, on which no agent is',
    ],
  ];
  return rules.filter(([holds]) => !holds).map(([, fault]) => fault);
}

/**
 * The configuration without trust in pages of the agents' hostnames: what an agent serves is such a page, and would act
 * with the sign-in of whoever opens it. The setting may name them, since the gate reads it too.
 */
export function withoutAgentPages<Config extends Placed>(config: Config): Config {
  const hostnames = agentHostnames(config);
  const isApart = (origin: string) => !hostnames.includes(new URL(origin).hostname);
  return {
    ...config,
    allowedOrigins: config.allowedOrigins.filter(isApart),
    trustedOrigins: config.trustedOrigins.filter(isApart),
  };
}

const agentHostnames = ({ issuer, workers }: Placed): string[] =>
  [issuer, ...workers.map(({ url }) => url)].map((url) => new URL(url).hostname);
