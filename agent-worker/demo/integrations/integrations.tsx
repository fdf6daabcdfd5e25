import '../no-eval.ts';
import { attachHeartbeat } from '@agent-ticket/client/react';
import { useAgent } from 'agents/react';
import { useEffect, useState } from 'react';
import type { IntegrationsState } from '../../src/agents/integrations/state.ts';
import { type Own, showOwnPage } from '../own-page.tsx';
import { AuditLog } from './audit-log.tsx';
import { type McpState, NO_SERVERS, Servers } from './servers.tsx';
import { Webhook } from './webhook.tsx';

function Integrations({ ticket, instance, facts, requestBroker, permissions }: Own) {
  const [{ deliveries }, setState] = useState<IntegrationsState>({ deliveries: [] });
  const [mcp, setMcp] = useState<McpState>(NO_SERVERS);
  const agent = useAgent<IntegrationsState>({
    ...ticket.agentOptions(),
    onStateUpdate: setState,
    onMcpUpdate: setMcp,
  });
  useEffect(() => attachHeartbeat(agent), [agent]);
  // What the log has news of.
  const news = `${deliveries[0]?.at} ${Object.values(mcp.servers).map(({ state }) => state)}`;
  return (
    <>
      <p className="status" role="status">
        {agent.identified ? 'Connected' : 'Connecting…'}
      </p>
      <Servers
        mcp={mcp}
        example={facts.mcpServer}
        add={(address) => agent.call('addServer', [address])}
        remove={(id) => agent.call('removeServer', [id])}
      />
      <Webhook deliveries={deliveries} makeUrl={() => agent.call('webhookUrl', [])} />
      <AuditLog
        instance={instance}
        news={news}
        mayRead={permissions.includes('audit:read')}
        requestBroker={requestBroker}
      />
    </>
  );
}

await showOwnPage({
  title: 'Integrations',
  agent: 'integrations',
  path: '/integrations',
  parameter: 'list',
  noun: 'list',
  about:
    'It has MCP servers that ask for a sign-in, and webhooks: both reach an agent without a ticket. Nobody else can open it.',
  view: Integrations,
});
