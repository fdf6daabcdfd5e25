/** What an existing Agents SDK project takes to put its agents behind tickets. Everything else is inside. */
export { defineAgent } from '@agent-ticket/shared/define-agent.ts';
export type { Access, AgentEntry, AgentLimits, AgentRegistry } from '@agent-ticket/shared/registry.ts';
export { createGate, type GateEnv } from './open-gate.ts';
export { RecorderObject } from './recorder.ts';
export type { SessionPrincipal } from './ticketed/claims.ts';
export { type Ticketed, ticketed } from './ticketed.ts';
