import { BaseUrl, Mode, Origins, OriginUrl, readSettings } from '@agent-ticket/shared/settings.ts';
import * as z from 'zod';

export const Settings = z.strictObject({
  ISSUER: BaseUrl,
  TICKET_AUDIENCE: z.string().min(1).max(512),
  BROKER_JWKS_URL: BaseUrl.optional(),
  AGENT_WORKER_URL: OriginUrl.optional(),
  ALLOWED_ORIGINS: Origins.default([]),
  /** Whether a session ends when another client presents its ticket again. */
  TICKET_REPLAY: z.enum(['note', 'end-session']).default('note'),
  MODE: Mode.default('production'),
});

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
  /** Lets plain http through on any host. */
  readonly development: boolean;
}

/** The configuration in a Worker's env. Throws an `Error` that names each wrong setting. */
export function readConfig(env: object): GateConfig {
  const settings = readSettings('agent worker', Settings, env, BEGINNINGS);
  const { ISSUER, TICKET_AUDIENCE, BROKER_JWKS_URL, AGENT_WORKER_URL, ALLOWED_ORIGINS } = settings;
  return {
    issuer: ISSUER,
    audience: TICKET_AUDIENCE,
    jwksUrl: BROKER_JWKS_URL ?? `${ISSUER.replace(/\/$/, '')}/.well-known/jwks.json`,
    allowedOrigins: ALLOWED_ORIGINS,
    origin: AGENT_WORKER_URL === undefined ? undefined : new URL(AGENT_WORKER_URL).origin,
    endsReplayed: settings.TICKET_REPLAY === 'end-session',
    development: settings.MODE === 'development',
  };
}
