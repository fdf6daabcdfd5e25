import type { Life, World } from './world.ts';

/** The handlers of the client of a socket. */
export interface Listener {
  readonly life: Life;
  readonly frame: (text: string) => void;
  readonly closed: (code: number, reason: string) => void;
}

/** The handlers of an object for a socket that it has accepted. */
export interface SocketOwner {
  readonly frame: (socket: SimSocket, text: string) => void;
  readonly closed: (socket: SimSocket, close: { code: number; reason: string; wasClean: boolean }) => void;
}

type Event =
  | { readonly frame: string }
  | { readonly code: number; readonly reason: string; readonly wasClean: boolean };

const [OPEN, CLOSING, CLOSED] = [1, 2, 3];

/** One end of a WebSocket of the Workers runtime. Events go to the other end over the network, in order. */
export class SimSocket {
  static readonly READY_STATE_CONNECTING = 0;
  static readonly READY_STATE_OPEN = OPEN;
  static readonly READY_STATE_CLOSING = CLOSING;
  static readonly READY_STATE_CLOSED = CLOSED;

  readyState: number = OPEN;
  tags: readonly string[] = [];
  owner: SocketOwner | undefined;
  listener: Listener | undefined;
  #peer: SimSocket | undefined;
  readonly #world: World;
  readonly #waiting: Event[] = [];
  /** The arrival of the last event at the other end. A later event must not arrive earlier. */
  #lastAt = 0;
  #attachment: unknown = null;
  /** Whether this end has sent a close frame. An end sends only one. */
  #hasClosed = false;

  constructor(world: World) {
    this.#world = world;
  }

  static pair(world: World): { readonly 0: SimSocket; readonly 1: SimSocket } {
    const [client, server] = [new SimSocket(world), new SimSocket(world)];
    client.#peer = server;
    server.#peer = client;
    return { 0: client, 1: server };
  }

  accept(): void {}

  /** Called when the client has its end. Delivers the events that were sent before. */
  listen(listener: Listener): void {
    this.listener = listener;
    for (const event of this.#waiting.splice(0)) this.#receive(event);
  }

  send(frame: string): void {
    if (this.readyState !== OPEN) throw new TypeError("Can't call WebSocket send() after close().");
    this.#pass({ frame });
  }

  close(code = 1000, reason = ''): void {
    if (this.readyState === CLOSED) return;
    this.readyState = this.readyState === CLOSING ? CLOSED : CLOSING;
    if (this.#hasClosed) return;
    this.#hasClosed = true;
    this.#pass({ code, reason, wasClean: true });
  }

  /** Breaks the connection between the ends, without a close frame. */
  break(): void {
    for (const end of [this, this.#peer]) {
      if (end === undefined || end.readyState === CLOSED) continue;
      end.readyState = CLOSED;
      end.#world.later(10, end.#lifeOf(), 'broken socket', () =>
        end.#tell({ code: 1006, reason: '', wasClean: false }),
      );
    }
  }

  serializeAttachment(value: unknown): void {
    this.#attachment = value;
  }
  deserializeAttachment(): unknown {
    return this.#attachment;
  }

  #lifeOf(): Life {
    return this.listener?.life ?? NOBODY;
  }

  #pass(event: Event): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    const world = this.#world;
    const at = Math.max(this.#lastAt, world.time() + 1 + world.random(world.current().name).below(20));
    this.#lastAt = at + 0.001;
    world.later(at - world.time(), peer.#lifeOf(), 'frame' in event ? 'frame' : `close ${event.code}`, () =>
      peer.#receive(event),
    );
  }

  #receive(event: Event): void {
    if (this.readyState === CLOSED) return;
    if (this.owner === undefined && this.listener === undefined) {
      this.#waiting.push(event);
      return;
    }
    if ('frame' in event) {
      this.#tell(event);
      return;
    }
    // If this end has sent a close, the event is the answer, and the closing handshake is over.
    const isAnswer = this.readyState === CLOSING;
    this.readyState = isAnswer ? CLOSED : CLOSING;
    // A client answers a close automatically. An object answers in its handler.
    if (this.listener !== undefined && !isAnswer) {
      this.readyState = CLOSED;
      this.#pass(event);
    }
    this.#tell(event);
  }

  #tell(event: Event): void {
    if ('frame' in event) {
      this.owner?.frame(this, event.frame);
      this.listener?.frame(event.frame);
    } else {
      this.owner?.closed(this, event);
      this.listener?.closed(event.code, event.reason);
    }
  }
}

/** For events of an end without a client. They belong to no isolate and to no object. */
const NOBODY: Life = { name: 'network', clock: { ahead: 0 }, isOver: false, answering: new Set() };
