import { defineAgents } from '@agent-ticket/shared/registry.ts';

export const AGENTS = defineAgents([
  { slug: 'counter', access: 'viewer', displayName: 'Counter' },
  { slug: 'notes', access: 'viewer', worker: 'notes' },
]);
