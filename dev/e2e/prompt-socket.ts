import { connect, type Socket } from 'node:net';
import * as z from 'zod';

export interface Opening {
  readonly protocols?: readonly string[];
  /** Node sends what a browser's script may not choose. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What undici's agents are, one of which is Node's own: documented, but not exported by Node. */
type AgentClass = new (options: {
  readonly connect: (
    to: { readonly hostname: string; readonly port: string },
    done: (error: Error | null, connection: Socket | null) => void,
  ) => void;
}) => object;

const isAgentClass = (value: unknown): value is AgentClass => typeof value === 'function';
const AgentOfNode = z.object({ constructor: z.custom<AgentClass>(isAgentClass) });

const NodeWebSocket: new (
  url: string | URL,
  opening: Opening & { readonly dispatcher: object },
) => WebSocket = WebSocket as never;

/**
 * Node's WebSocket on a connection of its own, which ends when both sides have said that they close. The WHATWG client
 * says `close` at the end of its connection, and the local runtime keeps that for ten seconds more when the object
 * closes a socket. Code and reason are those that the server sent.
 */
export class PromptSocket extends NodeWebSocket {
  #closedHere = false;

  constructor(url: string | URL, said: string | readonly string[] | Opening = {}) {
    const { constructor: Agent } = AgentOfNode.parse(
      Reflect.get(globalThis, Symbol.for('undici.globalDispatcher.1')),
    );
    let connection: Socket | undefined;
    const dispatcher = new Agent({
      connect({ hostname, port }, done) {
        const connecting = connect(Number(port), hostname);
        connecting.once('error', (error) => done(error, null));
        connecting.once('connect', () => done(null, connecting));
        connection = connecting;
      },
    });
    const opening =
      typeof said === 'string' ? { protocols: [said] } : isList(said) ? { protocols: said } : said;
    super(url, { ...opening, dispatcher });

    const look = (): void => {
      if (!this.#closedHere && this.readyState === WebSocket.CLOSING) connection?.destroySoon();
    };
    // Before `open` only the client may read. A compressed frame is inflated after the other bytes of its packet, so a
    // `message` event is needed to notice it.
    const lookSoon = (): void => void setImmediate(look);
    this.addEventListener('message', lookSoon);
    this.addEventListener('open', () => {
      connection?.on('data', lookSoon);
      lookSoon();
    });
  }

  /** The end of the connection is the server's then, as ever. */
  override close(code?: number, reason?: string): void {
    this.#closedHere = true;
    super.close(code, reason);
  }
}

const isList = (said: readonly string[] | Opening): said is readonly string[] => Array.isArray(said);
