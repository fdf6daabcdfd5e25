import { MCP_OAUTH } from '@agent-ticket/shared/callbacks.ts';
import type { AgentEntry, AgentRegistry } from '@agent-ticket/shared/registry.ts';
import type { GateConfig } from './config.ts';
import { isDestination } from './handover.ts';

/** The agents behind one gate, and those of their callbacks that the app verifies. */
interface KnownGate {
  readonly agents: AgentRegistry;
  readonly verified: readonly string[];
  /** Answers a request of the worker's own code, in the env of the script. */
  readonly ask: (request: Request) => Promise<Response>;
}

/**
 * The gates that this script has made, for the objects of the same script. Only the registry has the callbacks of an agent,
 * and an object gets no registry.
 */
const gates: KnownGate[] = [];

/** A second gate for the same agents replaces the first. */
export function noteGate(gate: KnownGate): void {
  const same = gates.findIndex((known) => slugsOf(known) === slugsOf(gate));
  if (same >= 0) gates.splice(same, 1);
  gates.push(gate);
}

const slugsOf = ({ agents }: KnownGate): string => agents.map(({ slug }) => slug).join(' ');

interface KnownAgent extends Pick<KnownGate, 'ask'> {
  readonly entry: AgentEntry;
  /** Whether the app verifies a callback of this name. */
  readonly isVerified: (name: string) => boolean;
}

/** The agent whose instance of a name has this id, by the newest gate first; `undefined` where no gate has it. */
export function knownAgentOf(env: object, id: DurableObjectId, instance: string): KnownAgent | undefined {
  for (const { agents, verified, ask } of gates.toReversed()) {
    const entry = agents.find(({ slug }) => isDestination({ agent: slug, instance }, env, id));
    if (entry !== undefined) return { entry, ask, isVerified: (name) => verified.includes(name) };
  }
  return undefined;
}

/** Throws an `Error` for verifications of no callback, and for callbacks whose tokens nothing could verify. */
export function requireCallbacks(
  agents: AgentRegistry,
  verified: readonly string[],
  { callbackKeys }: Pick<GateConfig, 'callbackKeys'>,
): void {
  const names = agents
    .flatMap(({ enabled, callbacks = [] }) => (enabled ? callbacks : []))
    .map(({ name }) => name);
  const unknown = verified.filter((name) => name === MCP_OAUTH || !names.includes(name));
  if (unknown.length > 0) throw new Error(`verifyCallback: no callback ${unknown.join(', ')}`);
  const byToken = names.filter((name) => !verified.includes(name));
  if (byToken.length > 0 && callbackKeys.length === 0)
    throw new Error(`CALLBACK_KEY: missing, for the callbacks ${byToken.join(', ')}`);
}
