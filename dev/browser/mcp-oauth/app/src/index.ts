import { createGate, defineAgents, RecorderObject, ticketed } from '@agent-ticket/agent-worker';
import { Agent, callable } from 'agents';

export { RecorderObject };

/** An agent that adds MCP servers for its people. */
export class Tools extends ticketed(Agent<Cloudflare.Env, object>) {
  override initialState = {};

  @callable()
  add(url: string): Promise<unknown> {
    return this.addMcpServer('tools', url);
  }

  @callable()
  states(): string {
    return Object.values(this.getMcpServers().servers)
      .map(({ state }) => state)
      .join();
  }
}

/** Their provider registers no client, and knows one. */
export class KnownTools extends Tools {
  override createMcpOAuthProvider(url: string) {
    const provider = super.createMcpOAuthProvider(url);
    provider.clientInformation = async () => {
      provider.clientId = 'known';
      return { client_id: provider.clientId };
    };
    return provider;
  }
}

const callbacks = [{ name: 'mcp-oauth', methods: ['GET'], path: 'oauth', limit: 60 }] as const;
const gate = createGate(
  defineAgents([
    { slug: 'tools', access: 'viewer', callbacks },
    { slug: 'known-tools', access: 'viewer', callbacks },
  ]),
);

/** Opens a socket with the ticket of its address, adds the server by a popup, and shows the state of the server. */
const PAGE = `<!doctype html><title>Tools</title><button>Add</button><output></output><script>
  const query = new URLSearchParams(location.search);
  const socket = new WebSocket(\`ws://\${location.host}/agents/\${query.get('agent')}/\${query.get('name')}?ticket=\${query.get('ticket')}\`);
  const isOpen = new Promise((resolve) => { socket.onopen = resolve; });
  const waiting = {};
  let calls = 0;
  socket.onmessage = ({ data }) => {
    const { type, id, result, error } = JSON.parse(data);
    if (type === 'rpc') waiting[id](result ?? error);
  };
  const call = (method, ...args) => new Promise((resolve) => {
    calls += 1;
    waiting[calls] = resolve;
    socket.send(JSON.stringify({ type: 'rpc', id: String(calls), method, args }));
  });
  const output = document.querySelector('output');
  const show = async () => {
    output.textContent = await call('states');
    setTimeout(show, 100);
  };
  document.querySelector('button').onclick = async () => {
    const popup = window.open('about:blank');
    await isOpen;
    const { authUrl } = await call('add', query.get('server'));
    popup.location = authUrl;
    show();
  };
</script>`;

export default {
  async fetch(request: Request, env: Parameters<typeof gate>[1]): Promise<Response> {
    const answer = await gate(request, env);
    if (answer !== undefined) return answer;
    const isPage = new URL(request.url).pathname === '/page';
    return new Response(isPage ? PAGE : 'connected', { headers: { 'content-type': 'text/html' } });
  },
};
