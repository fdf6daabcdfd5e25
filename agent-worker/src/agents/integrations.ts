import { isLoopback } from '@agent-ticket/shared/settings.ts';
import { Agent, callable } from 'agents';
import { ticketed } from '../ticketed.ts';
import type { IntegrationsState } from './integrations/state.ts';

/** The page that the browser opens after the sign-in of a server. */
const DONE = '/integrations/done';
const WEBHOOK_SECONDS = 24 * 3600;
const MOST_SERVERS = 5;
const MOST_DELIVERIES = 10;
const TEXT_CHARACTERS = 500;

/** Two ways to reach an agent without a ticket: the redirect of an MCP server's sign-in, and a webhook. */
export class Integrations extends ticketed(Agent<Cloudflare.Env, IntegrationsState>) {
  override initialState: IntegrationsState = { deliveries: [] };

  override onStart(): void {
    this.mcp.configureOAuthCallback({ successRedirect: DONE, errorRedirect: DONE });
  }

  /** Adds an MCP server by its address, and names it by its host. `authUrl`: where the person has to sign in first. */
  @callable()
  async addServer(address: string): Promise<{ id: string; authUrl?: string }> {
    const url = URL.parse(String(address));
    if (url === null || url.username !== '' || !isSafe(url))
      throw new Error('The address of a server must begin with https:// and contain no user name.');
    const servers = Object.values(this.getMcpServers().servers);
    const isKnown = servers.some(({ server_url: known }) => known === url.href);
    if (!isKnown && servers.length >= MOST_SERVERS)
      throw new Error(`There are ${MOST_SERVERS} servers already. Remove one first.`);
    const { id, ...added } = await this.addMcpServer(url.host, url.href);
    return added.state === 'authenticating' ? { id, authUrl: added.authUrl } : { id };
  }

  @callable()
  async removeServer(id: string): Promise<void> {
    await this.removeMcpServer(id);
  }

  /** A URL for webhooks: anybody who has the URL can send to it for a day. */
  @callable()
  webhookUrl(): Promise<string> {
    return this.callbackUrl('webhook', { expiresIn: WEBHOOK_SECONDS });
  }

  override async onRequest(request: Request): Promise<Response> {
    if (this.principal().principal !== 'callback:webhook') return new Response(null, { status: 404 });
    const delivery = {
      id: crypto.randomUUID(),
      at: Date.now(),
      type: (request.headers.get('content-type') ?? '').slice(0, TEXT_CHARACTERS),
      text: (await request.text()).slice(0, TEXT_CHARACTERS),
    };
    this.setState({ deliveries: [delivery, ...this.state.deliveries].slice(0, MOST_DELIVERIES) });
    return new Response(null, { status: 204 });
  }
}

const isSafe = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
