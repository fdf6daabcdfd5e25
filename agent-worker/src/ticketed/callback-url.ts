import { callbackStore } from '@agent-ticket/drizzle/object/callbacks.ts';
import { objectRevocationStore } from '@agent-ticket/drizzle/object/revocations.ts';
import { callbackPath } from '@agent-ticket/shared/callbacks.ts';
import { CallbackId, InstanceName } from '@agent-ticket/shared/names.ts';
import { TOKEN_PARAMETER } from '../callback-token.ts';
import { knownAgentOf } from '../known-agents.ts';
import type { Verifier } from '../verifier.ts';

interface UrlPorts {
  readonly sql: SqlStorage;
  readonly env: object;
  readonly id: DurableObjectId;
  readonly verifier: Pick<Verifier, 'config' | 'callbackTokens'>;
  readonly clock: () => number;
}

export interface CallbackUrlOptions {
  /** Seconds until the URL expires, at most a year; left out: 90 days. */
  readonly expiresIn?: number;
}

const DAY_SECONDS = 24 * 3600;
const LIFE_SECONDS = { default: 90 * DAY_SECONDS, max: 366 * DAY_SECONDS } as const;
/** URLs of one instance that have not expired: each is a row of its object. */
const MOST_URLS = 1_000;

/** Makes the URL of a callback of this object's instance. Throws where the registry or the settings allow none. */
export async function makeCallbackUrl(
  name: string,
  { expiresIn = LIFE_SECONDS.default }: CallbackUrlOptions,
  { sql, env, id, verifier, clock }: UrlPorts,
): Promise<string> {
  const instance = InstanceName.parse(id.name);
  const agent = knownAgentOf(env, id, instance);
  const callback = agent?.entry.callbacks?.find((each) => each.name === name);
  if (agent === undefined || callback === undefined)
    throw new TypeError(`the registry has no callback ${name} of this agent`);
  if (!Number.isSafeInteger(expiresIn) || expiresIn < 1 || expiresIn > LIFE_SECONDS.max)
    throw new TypeError('expiresIn: must be whole seconds, at most a year');
  const { config, callbackTokens } = verifier;
  if (config.origin === undefined) throw new Error('AGENT_WORKER_URL: missing');

  const { slug } = agent.entry;
  const url = new URL(callbackPath(slug, instance, callback), config.origin);
  if (agent.isVerified(name)) {
    objectRevocationStore(sql).noteOpened();
    return url.href;
  }
  const now = Math.floor(clock() / 1000);
  const callbackId = CallbackId.parse(crypto.randomUUID());
  const place = { audience: config.audience, agent: slug, instance, name };
  const token = await callbackTokens.make(place, callbackId, now + expiresIn);
  if (token === undefined) throw new Error('CALLBACK_KEY: missing');
  if (!callbackStore(sql).add(callbackId, now + expiresIn, now, MOST_URLS))
    throw new RangeError(`this instance has ${MOST_URLS} URLs of callbacks that have not expired`);
  objectRevocationStore(sql).noteOpened();
  url.searchParams.set(TOKEN_PARAMETER, token);
  return url.href;
}
