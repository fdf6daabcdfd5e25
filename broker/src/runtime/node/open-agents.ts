import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DELIVERIES } from '@agent-ticket/shared/handshake.ts';
import { ROLES, Tier } from '@agent-ticket/shared/names.ts';
import {
  ACCESS_MODES,
  type AgentOptions,
  type AgentRegistry,
  defineAgents,
} from '@agent-ticket/shared/registry.ts';
import * as z from 'zod';

const Names = z.array(z.string());
const Count = z.int().min(1);

const TierLimits = z.strictObject({
  socketsPerPrincipal: Count.exactOptional(),
  messagesPerSecond: Count.exactOptional(),
  sessionSeconds: Count.exactOptional(),
});

/** An entry as a file has it. What names and scopes may be is checked by `defineAgents`. */
const Entry = z.strictObject({
  slug: z.string(),
  bindingKey: z.string().exactOptional(),
  displayName: z.string().exactOptional(),
  description: z.string().exactOptional(),
  requiredTier: Tier.exactOptional(),
  requiredScopes: Names.exactOptional(),
  enabled: z.boolean().exactOptional(),
  worker: z.string().exactOptional(),
  transport: z.enum(['websocket', 'sse']).exactOptional(),
  access: z.enum(ACCESS_MODES).exactOptional(),
  instances: Names.exactOptional(),
  scopes: z.record(z.enum(ROLES), Names).exactOptional(),
  deliveries: z.array(z.enum(DELIVERIES)).exactOptional(),
  subAgents: Names.exactOptional(),
  enforce: z.strictObject({ role: z.enum(['viewer', 'admin']), until: z.string() }).exactOptional(),
  callbacks: z
    .array(z.strictObject({ name: z.string(), methods: Names, path: z.string(), limit: Count }))
    .exactOptional(),
  workerCalls: z.array(z.strictObject({ name: z.string(), scopes: Names })).exactOptional(),
  limits: z
    .strictObject({
      socketsPerPrincipal: Count.exactOptional(),
      messagesPerSecond: Count.exactOptional(),
      frameBytes: Count.exactOptional(),
      bodyBytes: Count.exactOptional(),
      idleSeconds: Count.exactOptional(),
      sessionSeconds: Count.exactOptional(),
      tiers: z.partialRecord(Tier, TierLimits).exactOptional(),
    })
    .exactOptional(),
}) satisfies z.ZodType<AgentOptions>;

/**
 * The registry of a file: a list in JSON, or a module that exports `AGENTS`. Node runs a module in TypeScript as it is.
 * Throws an `Error` that names the setting, the file and the member that is wrong.
 */
export async function openAgents(path: string): Promise<AgentRegistry> {
  const content = await read(path).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`AGENTS: ${path} cannot be read: ${why}`, { cause: error });
  });
  const entries = z.array(Entry).min(1).safeParse(content);
  if (entries.success) return defineAgents(entries.data);
  const faults = entries.error.issues.map(({ path: at, message }) => `${at.join('.')} ${message}`.trim());
  throw new Error(`AGENTS: ${path} has no list of agents: ${faults.join('; ')}`);
}

async function read(path: string): Promise<unknown> {
  if (path.endsWith('.json')) return JSON.parse(await readFile(path, 'utf8'));
  const module: { readonly AGENTS?: unknown } = await import(pathToFileURL(resolve(path)).href);
  return module.AGENTS;
}
