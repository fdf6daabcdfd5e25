/** What an existing Agents SDK project takes to put its agents behind tickets. Everything else is inside. */
export { createGate, type GateEnv } from './open-gate.ts';
export { RecorderObject } from './recorder.ts';
export * from './registry.ts';
export type { SessionPrincipal } from './ticketed/claims.ts';
export type { Guarded, GuardOptions } from './ticketed/tools.ts';
export { type Ticketed, ticketed } from './ticketed.ts';
