import { resolve } from 'node:path';
import { ROOT } from '../quiet-environment.ts';
import type { Ports } from './stack.ts';

/** Ports, data folder and page origins of a start. */
export interface StartSettings {
  readonly ports: Ports;
  /** Data that outlives a start: secrets, databases, logs, and `dev.json` for clients. */
  readonly folder: string;
  /** Origins of a developer's own pages, which may use broker and agents as the demo page does. */
  readonly pageOrigins: readonly string[];
}

const MAX_PORT = 65_535;

/**
 * Reads `BROKER_PORT`, `AGENT_WORKER_PORT`, `IDENTITY_PROVIDER_PORT` and `DEV_DIR`, all optional, so that a second
 * stack can run beside the first, and `ALLOWED_ORIGINS` for pages of an app. Throws an `Error` that names the wrong
 * variable.
 */
export function startSettings(env: NodeJS.ProcessEnv): StartSettings {
  const ports = {
    broker: port(env, 'BROKER_PORT', 8787),
    agentWorker: port(env, 'AGENT_WORKER_PORT', 8788),
    identityProvider: port(env, 'IDENTITY_PROVIDER_PORT', 8790),
  };
  if (new Set(Object.values(ports)).size < 3)
    throw new Error('BROKER_PORT, AGENT_WORKER_PORT and IDENTITY_PROVIDER_PORT must differ from each other');
  return { ports, folder: resolve(env.DEV_DIR || `${ROOT}.dev`), pageOrigins: origins(env) };
}

function origins({ ALLOWED_ORIGINS: text = '' }: NodeJS.ProcessEnv): string[] {
  const named = text.split(',').flatMap((each) => each.trim() || []);
  for (const each of named)
    if (!/^https?:$/.test(URL.parse(each)?.protocol ?? '') || new URL(each).origin !== each)
      throw new Error('ALLOWED_ORIGINS must be origins such as http://127.0.0.1:5173, comma-separated');
  return named;
}

function port(env: NodeJS.ProcessEnv, name: string, usual: number): number {
  const text = env[name] || String(usual);
  const value = Number(text);
  if (/^[1-9]\d*$/.test(text) && value <= MAX_PORT) return value;
  throw new Error(`${name} must be a TCP port, 1 to ${MAX_PORT}`);
}
