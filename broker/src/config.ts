import { BaseUrl, List, Mode, Origins, readSettings } from '@agent-ticket/shared/settings.ts';
import { base64url } from 'jose';
import * as z from 'zod';

/** 256 bits as base64url: `openssl rand -base64 32 | tr '+/' '-_' | tr -d '='`. */
const Key256 = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/, 'must be 32 bytes in base64url')
  .transform((text) => new Uint8Array(base64url.decode(text)));

const Hostname = z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/);

const Settings = z
  .strictObject({
    ISSUER: BaseUrl,
    TICKET_AUDIENCE: z.string().min(1).max(512),
    AGENT_WORKER_URL: BaseUrl,
    KEK: Key256,
    TOKEN_PEPPER: Key256,
    ALLOWED_ORIGINS: Origins.default([]),
    MODE: Mode.default('production'),
    CF_ACCESS_TEAM_DOMAIN: Hostname.optional(),
    CF_ACCESS_AUD: List.pipe(z.array(z.string().min(1)).min(1)).optional(),
    CF_ACCESS_CERTS_URL: BaseUrl.optional(),
  })
  .refine((s) => (s.CF_ACCESS_TEAM_DOMAIN === undefined) === (s.CF_ACCESS_AUD === undefined), {
    path: ['CF_ACCESS_AUD'],
    message: 'goes together with CF_ACCESS_TEAM_DOMAIN',
  });

/** One Cloudflare Access organisation whose assertions are taken. */
export interface AccessIssuer {
  /** `<team>.cloudflareaccess.com`, part of principal ids. */
  readonly teamDomain: string;
  /** Exactly `iss`: https, no trailing slash. */
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly certsUrl: string;
}

export interface BrokerConfig {
  readonly issuer: string;
  readonly ticketAudience: string;
  readonly agentWorkerUrl: string;
  readonly keyEncryptionKey: Uint8Array<ArrayBuffer>;
  readonly tokenPepper: Uint8Array<ArrayBuffer>;
  readonly allowedOrigins: readonly string[];
  readonly development: boolean;
  readonly access?: AccessIssuer;
}

/** The configuration in a process's env. Throws an `Error` that names each wrong setting and no value. */
export function readConfig(env: object): BrokerConfig {
  const s = readSettings('broker', Settings, env);
  return {
    issuer: s.ISSUER,
    ticketAudience: s.TICKET_AUDIENCE,
    agentWorkerUrl: s.AGENT_WORKER_URL,
    keyEncryptionKey: s.KEK,
    tokenPepper: s.TOKEN_PEPPER,
    allowedOrigins: s.ALLOWED_ORIGINS,
    development: s.MODE === 'development',
    ...(s.CF_ACCESS_TEAM_DOMAIN !== undefined && s.CF_ACCESS_AUD !== undefined
      ? { access: accessIssuer(s.CF_ACCESS_TEAM_DOMAIN, s.CF_ACCESS_AUD, s.CF_ACCESS_CERTS_URL) }
      : {}),
  };
}

const accessIssuer = (
  teamDomain: string,
  audiences: readonly string[],
  certsUrl: string | undefined,
): AccessIssuer => ({
  teamDomain,
  issuer: `https://${teamDomain}`,
  audiences,
  certsUrl: certsUrl ?? `https://${teamDomain}/cdn-cgi/access/certs`,
});
