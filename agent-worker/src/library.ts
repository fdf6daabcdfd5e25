/** What an existing Agents SDK project takes to put its agents behind tickets. Everything else is inside. */
export type { CallbackRequest, VerifiedCallback, VerifyCallback } from './gate/callback.ts';
export { asWorker } from './gate/worker-call.ts';
export { createGate, type GateEnv, getTicketedAgent, type TicketedAgent } from './open-gate.ts';
export { RecorderObject } from './recorder.ts';
export * from './registry.ts';
export type { Ticketed } from './ticketed/api.ts';
export type { CallbackUrlOptions } from './ticketed/callback-url.ts';
export type { SessionPrincipal } from './ticketed/claims.ts';
export type { Guarded, GuardOptions } from './ticketed/tools.ts';
export { ticketed } from './ticketed.ts';
