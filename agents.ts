import { defineAgents } from '@agent-ticket/shared/registry.ts';

/** Of a chat: to ask, and to have the model look at clock and weather. The notes are the owner's. */
const LOOK_AND_ASK = [
  'agent:connect',
  'agent:state:read',
  'agent:message',
  'agent:tool:get_time',
  'agent:tool:get_weather',
];

/**
 * The example agents: the registry that this repository's own broker and agent worker import. To add an agent: an entry
 * here, a binding in the agent worker's wrangler.jsonc, a class exported by its `index.ts`. The compiler asks for the
 * binding, the tests for everything else.
 */
export const AGENTS = defineAgents([
  {
    slug: 'counter',
    displayName: 'Counter',
    description: 'A shared number: the smallest agent with state and callable methods.',
    access: 'viewer',
    scopes: {
      viewer: ['agent:connect', 'agent:state:read', 'agent:rpc:whoami'],
      admin: [
        'agent:connect',
        'agent:state:read',
        'agent:state:write',
        'agent:message',
        'agent:rpc:whoami',
        'agent:rpc:increment',
      ],
      owner: ['agent:connect', 'agent:state:read', 'agent:state:write', 'agent:message', 'agent:rpc:*'],
    },
  },
  {
    slug: 'chat',
    displayName: 'Chat',
    description: 'A private assistant with tools, one of which asks before it acts.',
    access: 'first-user',
    scopes: {
      viewer: [...LOOK_AND_ASK],
      admin: [...LOOK_AND_ASK],
      owner: [...LOOK_AND_ASK, 'agent:state:write', 'agent:rpc:*', 'agent:tool:*'],
    },
    // The stock chat hook sends its whole transcript with each question.
    limits: { socketsPerPrincipal: 8, messagesPerSecond: 10, frameBytes: 1024 * 1024, idleSeconds: 1800 },
  },
  {
    slug: 'integrations',
    displayName: 'Integrations',
    description: 'A list of your own: MCP servers with a sign-in, and webhooks.',
    access: 'first-user',
    callbacks: [
      { name: 'mcp-oauth', methods: ['GET'], path: 'oauth', limit: 60 },
      { name: 'webhook', methods: ['POST'], path: 'hooks/webhook', limit: 60 },
    ],
    scopes: {
      viewer: ['agent:connect', 'agent:state:read'],
      admin: ['agent:connect', 'agent:state:read'],
      owner: ['agent:connect', 'agent:state:read', 'agent:rpc:*'],
    },
    limits: { socketsPerPrincipal: 8, messagesPerSecond: 10, frameBytes: 64 * 1024 },
  },
  {
    slug: 'lobby',
    displayName: 'Lobby',
    description: 'A public, read-only board.',
    access: 'public',
    instances: ['main'],
    scopes: {
      viewer: ['agent:connect', 'agent:state:read'],
      admin: ['agent:connect', 'agent:state:read', 'agent:state:write'],
      owner: ['agent:connect', 'agent:state:read', 'agent:state:write', 'agent:rpc:*'],
    },
    limits: { socketsPerPrincipal: 4, messagesPerSecond: 5, frameBytes: 4 * 1024 },
  },
  {
    slug: 'mcp-agent',
    displayName: 'MCP agent',
    description: 'Tools for machines over the Model Context Protocol.',
    requiredTier: 'admin',
    requiredScopes: ['agents'],
    transport: 'sse',
    access: 'viewer',
    scopes: {
      viewer: ['agent:connect', 'agent:state:read', 'agent:message'],
      admin: ['agent:connect', 'agent:state:read', 'agent:message'],
      owner: ['agent:connect', 'agent:state:read', 'agent:message', 'agent:rpc:*'],
    },
    deliveries: ['authorization'],
    limits: { socketsPerPrincipal: 8, messagesPerSecond: 20, frameBytes: 64 * 1024 },
  },
]);
