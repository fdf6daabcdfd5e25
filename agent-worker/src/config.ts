import { BaseUrl, Key256, Mode, Origins, OriginUrl, readSettings } from '@agent-ticket/shared/settings.ts';
import * as z from 'zod';

export const Settings = z
  .strictObject({
    ISSUER: BaseUrl,
    TICKET_AUDIENCE: z.string().min(1).max(512),
    BROKER_JWKS_URL: BaseUrl.optional(),
    ALLOWED_ORIGINS: Origins.default([]),
    /** Whether a session ends when another client presents its ticket again. */
    TICKET_REPLAY: z.enum(['note', 'end-session']).default('note'),
    AGENT_WORKER_URL: OriginUrl.optional(),
    CALLBACK_KEY: Key256.optional(),
    /** The previous key, while URLs that it made are in use. */
    CALLBACK_KEY_PREVIOUS: Key256.optional(),
    MODE: Mode.default('production'),
  })
  .refine((s) => s.CALLBACK_KEY_PREVIOUS === undefined || s.CALLBACK_KEY !== undefined, {
    path: ['CALLBACK_KEY'],
    message: 'missing',
  })
  .refine(
    (s) => s.CALLBACK_KEY === undefined || s.CALLBACK_KEY_PREVIOUS?.toString() !== s.CALLBACK_KEY.toString(),
    { path: ['CALLBACK_KEY_PREVIOUS'], message: 'must not be CALLBACK_KEY itself' },
  );

const BEGINNINGS = /^(TICKET|BROKER|ALLOWED)_/;

export interface GateConfig {
  /** The broker, as tickets name it. */
  readonly issuer: string;
  /** This agent worker, as tickets name it. */
  readonly audience: string;
  /** Where the broker's keys are. Over a binding only the path counts. */
  readonly jwksUrl: string;
  /** This agent worker's own origin; `undefined`: as requests name it. */
  readonly origin: string | undefined;
  /** Pages that may open sockets and make requests. */
  readonly allowedOrigins: readonly string[];
  /** Whether a session ends when its ticket is presented again. */
  readonly endsReplayed: boolean;
  /** Keys of the tokens of callbacks: the one that makes them, and the previous one. */
  readonly callbackKeys: readonly Uint8Array<ArrayBuffer>[];
  /** Lets plain http through on any host. */
  readonly development: boolean;
}

/** The configuration in a Worker's env. Throws an `Error` that names each wrong setting. */
export function readConfig(env: object): GateConfig {
  const settings = readSettings('agent worker', Settings, env, BEGINNINGS);
  const { ISSUER, TICKET_AUDIENCE, BROKER_JWKS_URL, AGENT_WORKER_URL, ALLOWED_ORIGINS } = settings;
  const { CALLBACK_KEY, CALLBACK_KEY_PREVIOUS } = settings;
  return {
    issuer: ISSUER,
    audience: TICKET_AUDIENCE,
    jwksUrl: BROKER_JWKS_URL ?? `${ISSUER.replace(/\/$/, '')}/.well-known/jwks.json`,
    allowedOrigins: ALLOWED_ORIGINS,
    origin: AGENT_WORKER_URL === undefined ? undefined : new URL(AGENT_WORKER_URL).origin,
    endsReplayed: settings.TICKET_REPLAY === 'end-session',
    callbackKeys: [CALLBACK_KEY, CALLBACK_KEY_PREVIOUS].filter((key) => key !== undefined),
    development: settings.MODE === 'development',
  };
}
