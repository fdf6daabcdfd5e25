import { KEY_SET } from '@agent-ticket/shared/limits.ts';
import type { FindKey } from '@agent-ticket/shared/verify-ticket.ts';
import { type GateConfig, readConfig } from './config.ts';
import { brokerKeys } from './gate/keys.ts';

/** What it takes to judge a ticket: who may have signed it, for whom, and with which keys. */
export interface Verifier {
  readonly config: GateConfig;
  readonly findKey: FindKey;
}

/** Where a Worker's env binds the broker. */
interface BrokerBinding {
  readonly BROKER?: Fetcher | undefined;
}

/** One per env and isolate, shared by the gate and the objects beside it: keys are fetched and imported once. */
const held = new WeakMap<object, Verifier>();

/** Throws an `Error` that names each wrong setting when the env is not configured. */
export function verifierOf(env: object & BrokerBinding): Verifier {
  const known = held.get(env);
  if (known !== undefined) return known;
  const config = readConfig(env);
  const { BROKER: broker } = env;
  const verifier = {
    config,
    findKey: brokerKeys(
      {
        fetchSet: (signal) =>
          broker === undefined
            ? fetch(config.jwksUrl, { signal, redirect: 'manual' })
            : broker.fetch(config.jwksUrl, { signal, redirect: 'manual' }),
        clock: () => Date.now(),
        sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      },
      broker === undefined ? KEY_SET.cooldownMs : KEY_SET.bindingCooldownMs,
    ),
  };
  held.set(env, verifier);
  return verifier;
}
