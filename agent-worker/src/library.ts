/** What an existing Agents SDK project takes to put its agents behind tickets. Everything else is inside. */
export {
  type Access,
  type AgentEntry,
  type AgentLimits,
  type AgentOptions,
  type AgentRegistry,
  defineAgents,
} from '@agent-ticket/shared/registry.ts';
export { createGate, type GateEnv } from './open-gate.ts';
export { RecorderObject } from './recorder.ts';
export type { SessionPrincipal } from './ticketed/claims.ts';
export { type Ticketed, ticketed } from './ticketed.ts';
