import {
  Agent,
  type Connection,
  type ConnectionContext,
  callable,
  type StreamingResponse,
  type WSMessage,
} from 'agents';
import { commandRequest } from '../../src/handover.ts';
import { ticketed } from '../../src/ticketed.ts';
import { lock, recordRevocation, refresh } from '../commands.ts';
import { sweepNow } from '../sweep.ts';

/** The instance of each witness that was made, awakened ones included. */
export const madeWitnesses: (string | undefined)[] = [];

/** Sends its clients everything that agent code can read about them. */
export class Witness extends ticketed(Agent<Cloudflare.Env, { secret: number }>) {
  override initialState = { secret: 42 };
  props: unknown = 'never started';
  /** Frames that reached agent code. */
  received: (string | number)[] = [];

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    madeWitnesses.push(ctx.id.name);
  }

  override async onStart(props?: unknown): Promise<void> {
    this.props = props ?? 'none';
    if (this.name.startsWith('sweeps-')) await sweepNow(this);
  }

  override async onConnect(connection: Connection, { request }: ConnectionContext): Promise<void> {
    if (this.name.startsWith('terminated-')) return this.#terminate(connection);
    const [socket] = this.ctx.getWebSockets(connection.id);
    const seen = {
      type: 'seen',
      url: request.url,
      headers: Object.fromEntries(request.headers),
      cf: request.cf ?? null,
      uri: connection.uri,
      id: connection.id,
      tags: connection.tags,
      attachment: socket?.deserializeAttachment() ?? null,
      hibernates: socket !== undefined,
      props: this.props,
      principal: this.principal(),
    };
    connection.send(JSON.stringify(seen));
  }

  /** Called before the connection has a socket. */
  override async getConnectionTags(connection: Connection): Promise<string[]> {
    if (this.name.startsWith('ended-')) await this.#terminate(connection);
    return [];
  }

  /** The results of tools that ran after their callers had been answered. */
  ran: string[] = [];

  /** Lets a tool of each name run once the test says so. */
  @callable()
  haveRun(...names: string[]): void {
    const tools = this.guardTools(Object.fromEntries(names.map((name) => [name, async () => `${name} ran`])));
    this.#begin = async () => {
      for (const run of Object.values(tools)) this.ran.push(await run().catch(messageOf));
    };
  }

  #begin = async (): Promise<void> => {};
  begin(): Promise<void> {
    return this.#begin();
  }

  /** As the broker does. */
  async #terminate({ id }: Connection): Promise<void> {
    const revocation = lock(`session:${id}`, { code: 'session_terminated' });
    await this.fetch(commandRequest({ op: 'revoke', revocation }));
  }

  override async onMessage(connection: Connection, message: WSMessage): Promise<void> {
    this.received.push(typeof message === 'string' ? message : byteLength(message));
    if (message === 'terminate') return this.#terminate(connection);
    if (message === 'fail') throw new Error('PRIVATE words of the agent');
    connection.send(JSON.stringify({ type: 'received', principal: this.principal() }));
  }

  override async onRequest(request: Request): Promise<Response> {
    if (request.url.includes('/task')) {
      this.received.push('task');
      await this.longTask();
    }
    if (request.url.includes('/have-run')) this.haveRun('look');
    if (request.url.includes('/throw')) throw new Error('PRIVATE words of the agent');
    if (request.url.includes('/stream')) {
      if (this.name.startsWith('revoked-')) await recordRevocation(refresh(`instance:witness/${this.name}`));
      const { searchParams } = new URL(request.url);
      const [type, length] = [searchParams.get('type') ?? 'text/event-stream', searchParams.get('length')];
      const headers = { 'content-type': type, ...(length === null ? {} : { 'content-length': length }) };
      return new Response(this.#stream(request.url), { headers });
    }
    if (request.url.includes('/long')) return new Response('x'.repeat(1_000_000));
    if (request.url.includes('/body')) return Response.json({ length: (await request.text()).length });
    const seen = {
      method: request.method,
      url: request.url,
      headers: Object.fromEntries(request.headers),
      principal: this.principal(),
    };
    return Response.json(seen, { headers: { 'x-witness': request.method } });
  }

  /** What became of the streams of this instance, as their source saw it. */
  cancelled = 0;

  /** One event at once, and unless it is to be short another every few milliseconds. */
  #stream(url: string): ReadableStream<Uint8Array> {
    const event = new TextEncoder().encode(url.includes('/wide') ? 'x'.repeat(1_000_000) : 'data: 1\n\n');
    let ticking: ReturnType<typeof setInterval> | undefined;
    return new ReadableStream({
      start: (controller) => {
        controller.enqueue(event);
        if (url.includes('/short')) controller.close();
        else if (url.includes('/broken'))
          ticking = setInterval(() => {
            clearInterval(ticking);
            controller.error(new Error('PRIVATE words of the agent'));
          }, 5);
        else if (!url.includes('/silent')) ticking = setInterval(() => controller.enqueue(event), 5);
      },
      cancel: () => {
        clearInterval(ticking);
        this.cancelled += 1;
      },
    });
  }

  #finishTask = (): void => {};
  readonly #taskFinished = new Promise<void>((resolve) => {
    this.#finishTask = resolve;
  });

  /** A task for the scheduler, which goes on until {@link finishTask}. */
  longTask(): Promise<void> {
    return this.#taskFinished;
  }

  finishTask(): void {
    this.#finishTask();
  }

  @callable()
  fail(): void {
    throw new Error('PRIVATE words of the agent');
  }

  @callable({ streaming: true })
  async count(stream: StreamingResponse, to: number): Promise<void> {
    for (let n = 1; n <= to; n += 1) stream.send(n);
    if (to < 0) throw new Error('PRIVATE words of the agent');
    stream.end('done');
  }

  @callable()
  echo(value: unknown): unknown {
    return value;
  }

  @callable()
  forgetMe(): void {
    for (const connection of this.getConnections())
      connection.setState({ principal: 'auth0:x:somebody-else' });
  }

  @callable()
  deny(times: number): void {
    for (let n = 0; n < times; n += 1) this.noteDenied('not_now', { n: String(n) });
  }

  @callable()
  whoami() {
    return this.principal();
  }
}

const byteLength = (message: ArrayBuffer | ArrayBufferView): number => message.byteLength;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
