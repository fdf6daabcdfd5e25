import { Agent, callable } from 'agents';
import { ticketed } from '../../src/ticketed.ts';

/** Keeps what reaches it, and answers as the path asks. */
export class Hooked extends ticketed(Agent<Cloudflare.Env, { secret: number }>) {
  override initialState = { secret: 42 };
  received: {
    method: string;
    path: string;
    body: string;
    principal: unknown;
    headers: object;
    cf: unknown;
  }[] = [];
  /** Statuses to answer with, one after the other. */
  answers: number[] = [];
  waits = false;
  /** Whether a stream never ends, and is as fast as it is read. */
  floods = false;
  urls: string[] = [];
  mails: string[] = [];
  /** As many agents make tables of their own. */
  readonly own = this.ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS own_notes (text TEXT)').rowsWritten;
  cancelled = 0;
  #open = (): void => {};
  readonly #opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });

  override async onRequest(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const body = await request.text();
    this.received.push({
      method: request.method,
      path: pathname.split('/').slice(4).join('/') + search,
      body,
      principal: this.principal(),
      headers: Object.fromEntries(request.headers),
      cf: request.cf ?? null,
    });
    if (this.waits) await this.#opened;
    const status = this.answers.shift();
    if (status !== undefined) return new Response(null, { status });
    switch (body) {
      case 'throw':
        throw new Error('PRIVATE words of the agent');
      case 'refuse':
        return new Response('no', { status: 409 });
      case 'redirect':
        return new Response(null, { status: 302, headers: { location: 'https://app.test/done' } });
      case 'largest':
        return new Response(new Uint8Array(1024 * 1024));
      case 'too large':
        return new Response(new Uint8Array(1024 * 1024 + 1));
      case 'stream':
        return new Response(
          new ReadableStream({
            pull: (controller) => {
              controller.enqueue(new Uint8Array(100_000));
              if (!this.floods) controller.close();
            },
            cancel: () => {
              this.cancelled += 1;
            },
          }),
          { headers: { 'content-type': 'text/event-stream' } },
        );
      case 'headers':
        return new Response('fine', {
          headers: { 'cache-control': 'public', 'referrer-policy': 'unsafe-url', 'x-own': '1' },
        });
    }
    return new Response('thanks');
  }

  release(): void {
    this.#open();
  }

  customProvider = false;

  override createMcpOAuthProvider(url: string): ReturnType<Agent['createMcpOAuthProvider']> {
    const provider = super.createMcpOAuthProvider(url);
    if (this.customProvider) Object.defineProperty(provider, 'stateKey', { value: undefined });
    return provider;
  }

  @callable()
  async addServer(url: string): Promise<unknown> {
    return this.addMcpServer('tools', url);
  }

  @callable()
  serverStates(): string[] {
    return Object.values(this.getMcpServers().servers).map(({ state }) => state);
  }

  /** Called by the scheduler. */
  async makeUrl(name: string): Promise<void> {
    this.urls.push(await this.callbackUrl(name));
  }

  async onEmail({ from }: { readonly from: string }): Promise<void> {
    this.mails.push(from);
  }
}
