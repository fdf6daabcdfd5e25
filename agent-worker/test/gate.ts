import { env } from 'cloudflare:workers';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { createRefusalTally } from '@agent-ticket/shared/refusal-tally.ts';
import { type AgentEntry, findAgent, withDefaults } from '@agent-ticket/shared/registry.ts';
import { AGENTS } from '../../agents.ts';
import { createCallbackTokens } from '../src/callback-token.ts';
import { answerMetadataRequest } from '../src/gate/resource-metadata.ts';
import { answerAgentRequest, type GatePorts } from '../src/gate.ts';
import { checkRevokedOf } from '../src/revocations.ts';
import { routeAt } from '../src/routes.ts';
import { createRates } from '../src/ticketed/limits.ts';
import type { Front } from './openapi.ts';
import { checked } from './openapi.ts';
import { AUDIENCE, ISSUER, nextSigner, ORIGIN, signer } from './tickets.ts';

/** The gate over a registry of its own, for agents that only tests have. */

const forTests = (slug: string, other: Partial<AgentEntry> = {}): AgentEntry =>
  withDefaults({
    slug,
    description: 'Only for tests.',
    scopes: { viewer: ['agent:connect'], admin: ['agent:connect'], owner: ['agent:connect'] },
    limits: { socketsPerPrincipal: 200, messagesPerSecond: 100, frameBytes: 65_536 },
    ...other,
  });

const REGISTRY = [
  ...AGENTS,
  ...['witness', 'faulty', 'overrider', 'inner', 'usurper', 'planless', 'chatter', 'chat-overrider'].map(
    (slug) => forTests(slug),
  ),
  forTests('toolbox', { transport: 'sse' }),
];

const SIGNERS = [signer, nextSigner];

const PORTS: GatePorts = {
  registry: REGISTRY,
  config: {
    issuer: ISSUER,
    audience: AUDIENCE,
    jwksUrl: `${ISSUER}/.well-known/jwks.json`,
    allowedOrigins: [ORIGIN],
    origin: undefined,
    endsReplayed: false,
    callbackKeys: [],
    development: false,
  },
  findKey: async (kid) => {
    const found = SIGNERS.find((one) => one.kid === kid);
    return found === undefined ? err('ticket_key_unknown') : ok({ alg: found.alg, key: found.publicKey });
  },
  destination: ({ entry, instance }) => {
    const namespaces: ReadonlyMap<string, DurableObjectNamespace> = new Map(
      Object.entries({
        COUNTER: env.COUNTER,
        WITNESS: env.WITNESS,
        FAULTY: env.FAULTY,
        OVERRIDER: env.OVERRIDER,
        INNER: env.INNER,
        USURPER: env.USURPER,
        PLANLESS: env.PLANLESS,
        CHATTER: env.CHATTER,
        TOOLBOX: env.TOOLBOX,
        CHAT_OVERRIDER: env.CHAT_OVERRIDER,
      }),
    );
    const namespace = namespaces.get(entry.bindingKey);
    if (namespace === undefined) throw new TypeError(`no binding ${entry.bindingKey}`);
    return namespace.get(namespace.idFromName(instance));
  },
  checkRevoked: checkRevokedOf(env),
  listRevoked: (names) => openRecord(env.RECORD).revocations.ofTargets(names, Date.now()),
  callbacks: { tokens: createCallbackTokens([]), verifiers: new Map(), rates: createRates() },
  keepAlive: () => {},
  sleep: (ms, signal) => scheduler.wait(ms, { signal }).catch(() => {}),
  randomId: () => crypto.randomUUID(),
  clock: () => Date.now(),
  tally: createRefusalTally(() => {}),
  measure: () => {},
  log: () => {},
};

/** A gate with some ports replaced. */
export const gateWith = (other: Partial<GatePorts> = {}): Front =>
  checked((request) => {
    const answers =
      routeAt(new URL(request.url).pathname) === 'metadata' ? answerMetadataRequest : answerAgentRequest;
    return answers(request, { ...PORTS, ...other });
  });

export const gate: Front = gateWith();
export const gateConfig = PORTS.config;

export function entryOf(slug: string): AgentEntry {
  const entry = findAgent(REGISTRY, slug);
  if (entry === undefined) throw new TypeError(`no agent ${slug}`);
  return entry;
}
