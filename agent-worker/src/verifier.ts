import { KEY_SET } from '@agent-ticket/shared/limits.ts';
import type { FindKey } from '@agent-ticket/shared/verify-ticket.ts';
import { brokerKeys } from './broker-keys.ts';
import { type CallbackTokens, createCallbackTokens } from './callback-token.ts';
import { type GateConfig, readConfig } from './config.ts';

/** The configuration and keys that verify tickets and tokens of callbacks. */
export interface Verifier {
  readonly config: GateConfig;
  readonly findKey: FindKey;
  readonly callbackTokens: CallbackTokens;
}

/** The service binding of the broker in a Worker's env. */
interface BrokerBinding {
  readonly BROKER?: Fetcher | undefined;
}

/** One per env and isolate, shared by the gate and the objects beside it: keys are fetched and imported once. */
const verifiers = new WeakMap<object, Verifier>();

/** Throws an `Error` that names each wrong setting when the env is not configured. */
export function verifierOf(env: object & BrokerBinding): Verifier {
  const known = verifiers.get(env);
  if (known !== undefined) return known;
  const config = readConfig(env);
  const { BROKER: broker } = env;
  const verifier = {
    config,
    callbackTokens: createCallbackTokens(config.callbackKeys),
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
  verifiers.set(env, verifier);
  return verifier;
}
