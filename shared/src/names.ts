import * as z from 'zod';
import { VALUES } from './describe-values.ts';

/** Who a verified credential says it is, named by issuer and subject: `auth0:<domain>:<sub>`. Never an e-mail. */
export const PrincipalId = z
  .string()
  .regex(/^[a-z0-9]+:[\x20-\x7e]{1,500}$/)
  .meta({ [VALUES]: 'the id of a principal, <issuer>:<name>, such as oidc:github:repo-7' })
  .brand<'PrincipalId'>();
export type PrincipalId = z.infer<typeof PrincipalId>;

const KebabCase = z
  .string()
  .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
  .max(64)
  .meta({ [VALUES]: 'lower-case letters, digits and single hyphens, a letter first, at most 64 characters' });

/** kebab-case name of an agent in the registry. */
export const AgentSlug = KebabCase.brand<'AgentSlug'>();
export type AgentSlug = z.infer<typeof AgentSlug>;

/** kebab-case name of an agent worker: that of the broker's configuration and of the registry, never of a ticket. */
export const WorkerName = KebabCase;

/**
 * Name of one Durable Object of an agent, compared raw. The alphabet leaves no second spelling: nothing in it is
 * percent-encoded, normalised or case-folded by any hop. `sub` is the SDK's path marker for sub-agents and no name.
 */
export const InstanceName = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,128}$/)
  .refine((name) => name !== 'sub')
  .meta({ [VALUES]: '1 to 128 letters, digits, _ and -, and not "sub"' })
  .brand<'InstanceName'>();
export type InstanceName = z.infer<typeof InstanceName>;

/** RFC 7638 SHA-256 thumbprint of a signing key, base64url. */
export const KeyId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/)
  .meta({ [VALUES]: 'the thumbprint of a key, 43 letters, digits, _ and -' })
  .brand<'KeyId'>();
export type KeyId = z.infer<typeof KeyId>;

/** One ticket's name. Join, deny and count by this, never by the ticket's text: one token has many spellings. */
export const TicketId = z.uuid().brand<'TicketId'>();
export type TicketId = z.infer<typeof TicketId>;

export const SessionId = z.uuid().brand<'SessionId'>();
export type SessionId = z.infer<typeof SessionId>;

/** One URL of a callback, which carries a token with this id. */
export const CallbackId = z.uuid().brand<'CallbackId'>();
export type CallbackId = z.infer<typeof CallbackId>;

/** kebab-case name of a callback, or of a call of the worker's own, in the registry. */
export const CallName = KebabCase;

export const TIERS = ['free', 'pro', 'admin'] as const;
export const Tier = z.enum(TIERS);
export type Tier = z.infer<typeof Tier>;
/** Whether `held` is at least `needed`; the order of {@link TIERS} is the order of rank. */
export const tierAtLeast = (held: Tier, needed: Tier): boolean =>
  TIERS.indexOf(held) >= TIERS.indexOf(needed);

export const ROLES = ['viewer', 'admin', 'owner'] as const;
export const Role = z.enum(ROLES);
export type Role = z.infer<typeof Role>;
/** Whether `held` is at least `needed`; the order of {@link ROLES} is the order of rank. */
export const roleAtLeast = (held: Role, needed: Role): boolean =>
  ROLES.indexOf(held) >= ROLES.indexOf(needed);

/** What a ticket opens: one WebSocket, or HTTP requests and one streaming response. */
export const Transport = z.enum(['websocket', 'http']);
export type Transport = z.infer<typeof Transport>;
