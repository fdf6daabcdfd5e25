import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { McpAgent } from 'agents/mcp';
import { ticketed } from '../../src/ticketed.ts';

interface State {
  readonly sum: number;
}

/** An MCP server as the SDK's own class makes it, with nothing changed but what it extends. */
export class Toolbox extends ticketed(McpAgent<Cloudflare.Env, State, { principal: string }>) {
  server = new McpServer({ name: 'toolbox', version: '1.0.0' });
  override initialState: State = { sum: 0 };

  async init(): Promise<void> {
    const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
    this.server.registerTool('add_one', { description: 'Adds one to the sum of this session.' }, () => {
      this.setState({ sum: this.state.sum + 1 });
      return text(String(this.state.sum));
    });
    this.server.registerTool('whoami', { description: 'Who calls.' }, async () => {
      await scheduler.wait(0);
      const { principal, scope } = this.principal();
      return text(JSON.stringify({ principal, scope, opened: this.props?.principal }));
    });
    this.server.registerTool(
      'work_for_ever',
      { description: 'Reports its progress until its caller has gone.' },
      async ({ signal, sendNotification, _meta }) => {
        const progressToken = _meta?.progressToken ?? 0;
        for (let progress = 0; !signal.aborted && progress < 1_000; progress += 1) {
          await sendNotification({ method: 'notifications/progress', params: { progressToken, progress } });
          await scheduler.wait(20);
        }
        return text('done');
      },
    );
  }
}
