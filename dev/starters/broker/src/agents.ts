import { defineAgents } from '@agent-ticket/agent-worker/registry';

/** The agents of all starters, as each of them defines its own. */
export const AGENTS = defineAgents([
  {
    slug: 'assistant',
    access: 'first-user',
    callbacks: [{ name: 'mcp-oauth', methods: ['GET'], path: 'oauth', limit: 60 }],
  },
  { slug: 'tally', transport: 'sse' },
  { slug: 'desk' },
  { slug: 'wall', access: 'first-user' },
  { slug: 'meter', access: 'first-user' },
  { slug: 'depot', subAgents: ['shelf'] },
  { slug: 'diary', access: 'first-user' },
  { slug: 'parrot', access: 'first-user' },
]);
