/** The registry, without the SDK and without a runtime: for the module that broker and agent worker share. */
export {
  type Access,
  type AgentEntry,
  type AgentLimits,
  type AgentOptions,
  type AgentRegistry,
  defineAgents,
  type Rollout,
  type TierLimits,
} from '@agent-ticket/shared/registry.ts';
