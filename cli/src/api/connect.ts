import {
  createTicketProvider,
  type TicketProvider,
  type TicketProviderOptions,
  TicketRefused,
  TicketUnavailable,
} from '@agent-ticket/client';
import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import { type ExitCode, type Input, type Terminal, UsageError } from '../command.ts';
import { type Access, authorization, findAccess } from './access.ts';
import { painter } from './paint.ts';
import { json, plain } from './plain-text.ts';
import type { Common } from './row.ts';

interface ConnectOptions extends Common {
  readonly agent: string;
  readonly instance?: string | undefined;
  readonly scope?: string | undefined;
}

const HELP = `call <method> [args…]   each argument is JSON, or a text
state <JSON>            sets the state
send <text>             sends a frame as it is
renew                   renews the session now, at most once in ten seconds
quit                    ends; so do Ctrl-C and the end of the input
`;

/** A lasting refusal: a new ticket would be refused as well. */
const isFinal = (code: number): boolean => code === 1008 || (code >= 4000 && code < 5000);
const RETRY_MS = 1_000;
/** How long the end of the input waits for answers. */
const LAST_ANSWERS_MS = 30_000;

/**
 * `agent-ticket connect`: a client of one instance until the end of the input. Gets a ticket for each connection, renews the
 * session, and connects again after a passing close. 1 where the agent refused for good.
 */
export async function connect(options: ConnectOptions, terminal: Terminal): Promise<ExitCode> {
  const access = await findAccess(options.profile, terminal);
  const provider = providerOf(options, access, terminal);
  const input = terminal.openInput(terminal.isInteractive && !options.json ? '> ' : '');
  const frames = frameWriter(options.json, input, terminal);
  try {
    // A line that came while there was no connection is for the next one.
    let line = input.next();
    for (;;) {
      const socket = await open(provider, terminal);
      const stop = provider.attachRenewal(socket);
      const unanswered = new Set<string>();
      const over = new AbortController();
      let ending = false;
      socket.addEventListener('message', ({ data }) => {
        unanswered.delete(frames.received(String(data)) ?? '');
        if (ending && unanswered.size === 0) over.abort();
      });
      const closed = new Promise<CloseEvent>((done) =>
        socket.addEventListener('close', done, { once: true }),
      );
      socket.addEventListener('close', () => over.abort());
      frames.note(`connected to ${options.agent}/${options.instance ?? 'default'}; "help" has the commands`);
      for (;;) {
        const next = await Promise.race([line, closed]);
        if (typeof next === 'object') break;
        if (next === undefined || next.trim() === 'quit') {
          // Answers to sent frames are on their way, and the reader of a pipe wants them.
          ending = true;
          if (unanswered.size > 0) await terminal.wait(LAST_ANSWERS_MS, over.signal);
          stop();
          socket.close(1000);
          return 0;
        }
        obey(next.trim(), { socket, provider, unanswered, frames }, terminal);
        line = input.next();
      }
      stop();
      const { code, reason } = await closed;
      frames.note(`closed with ${code} ${reason}`);
      if (isFinal(code)) return 1;
      await terminal.wait(RETRY_MS);
    }
  } finally {
    input.close();
  }
}

interface Connection {
  readonly socket: WebSocket;
  readonly provider: TicketProvider;
  readonly unanswered: Set<string>;
  readonly frames: ReturnType<typeof frameWriter>;
}

function obey(words: string, { socket, provider, unanswered, frames }: Connection, terminal: Terminal): void {
  if (words === '') return;
  if (words === 'renew') {
    provider.renewNow();
    return;
  }
  const frame = frameOf(words);
  if (frame === undefined) {
    terminal.err(HELP);
    return;
  }
  if (frame.id !== undefined) unanswered.add(frame.id);
  frames.sent(frame.text);
  socket.send(frame.text);
}

function providerOf({ agent, instance, scope }: ConnectOptions, access: Access, terminal: Terminal) {
  const { broker, credential } = access;
  return createTicketProvider({
    ...{ broker, host: broker, agent, runsIn: 'process' },
    ...(instance !== undefined && { instance }),
    ...(scope !== undefined && { scope }),
    credential: providerCredential(credential),
    ports: {
      // The provider sends the headers of a browser. A process has no cookie of Access, so the token is sent instead.
      fetch: async (url, init) =>
        terminal.fetch(
          url,
          credential?.kind === 'access'
            ? {
                ...init,
                headers: {
                  ...Object.fromEntries(new Headers(init.headers)),
                  ...(await authorization(access)),
                },
              }
            : init,
        ),
    },
  });
}

function providerCredential(credential: Access['credential']): TicketProviderOptions['credential'] {
  if (credential?.kind !== 'bearer') return credential ?? { kind: 'none' };
  return { kind: 'access-token', get: credential.token };
}

function refusalOf({ code, status, requestId }: TicketRefused): UsageError {
  const remedy =
    status === 401
      ? 'The credential is wrong, expired or revoked: use another one.'
      : 'See by "agent-ticket explain" which rule fails.';
  const request = typeof requestId === 'string' ? { request_id: requestId } : {};
  const names = [code, ...Object.values(request).map((id) => `request ${id}`)].join(', ');
  return new UsageError(`The broker gives no ticket (${plain(names)}). ${remedy}`, {
    code,
    status,
    ...request,
  });
}

async function open(provider: TicketProvider, terminal: Terminal): Promise<WebSocket> {
  for (;;) {
    try {
      const { url, protocols } = await provider.mint();
      const socket = terminal.openSocket(url, protocols);
      const opened = await new Promise<boolean>((done) => {
        socket.addEventListener('open', () => done(true), { once: true });
        socket.addEventListener('close', () => done(false), { once: true });
      });
      if (opened) return socket;
      terminal.err('The agent worker does not answer; trying again …\n');
    } catch (error) {
      if (error instanceof TicketRefused) throw refusalOf(error);
      if (!(error instanceof TicketUnavailable)) throw error;
      terminal.err('The broker does not answer; trying again …\n');
    }
    await terminal.wait(RETRY_MS);
  }
}

interface Frame {
  readonly text: string;
  /** Of a call, which is answered. */
  readonly id?: string;
}

/** The frame of a typed line, as the Agents SDK has it; undefined for a line that is no command. */
function frameOf(words: string): Frame | undefined {
  const [, verb, rest = ''] = /^(\S+)\s*(.*)$/s.exec(words) ?? [];
  if (verb === 'send') return { text: rest };
  if (verb === 'state') return { text: JSON.stringify({ type: 'cf_agent_state', state: parsed(rest) }) };
  const [method, ...args] = rest.match(/"(?:[^"\\]|\\.)*"|\{.*\}|\[.*\]|\S+/gs) ?? [];
  if (verb !== 'call' || method === undefined) return undefined;
  const id = crypto.randomUUID();
  return { id, text: JSON.stringify({ type: 'rpc', id, method, args: args.map(parsed) }) };
}

/** JSON, or the text itself. */
function parsed(text: string): unknown {
  const value = parseJson(text);
  return value === undefined ? text : value;
}

function frameWriter(isJson: boolean, input: Input, terminal: Terminal) {
  const { green, yellow, dim } = painter(terminal.colours);
  /** In place of the prompt, which is shown again below. */
  const instead = terminal.isInteractive && !isJson ? '\r\u001b[K' : '';
  const write = (direction: 'sent' | 'received', value: unknown): void => {
    if (isJson) terminal.out(`${json({ [direction]: value })}\n`);
    else {
      const arrow = direction === 'sent' ? yellow('→') : green('←');
      terminal.out(`${instead}${arrow} ${frameText(value)}\n`);
    }
    input.redraw();
  };
  return {
    sent: (data: string) => write('sent', parsed(data)),
    /** Answers the id of the call that the frame ends. */
    received(data: string): string | undefined {
      const value = parsed(data);
      write('received', value);
      const { type, id, done, success } = Object(value);
      return type === 'rpc' && typeof id === 'string' && (done !== false || success === false)
        ? id
        : undefined;
    },
    note(text: string): void {
      terminal.err(`${instead}${dim(plain(text))}\n`);
      input.redraw();
    },
  };
}

/** A frame of the SDK in words; any other one as it came. */
function frameText(value: unknown): string {
  const frame = Object(value);
  if (frame.type === 'cf_agent_state') return `state ${json(frame.state)}`;
  if (frame.type === 'rpc' && 'success' in frame)
    return frame.success === true ? `answer ${json(frame.result ?? null)}` : `error ${json(frame.error)}`;
  if (frame.type === 'rpc') return `call ${plain(String(frame.method))} ${json(frame.args)}`;
  return typeof value === 'string' ? plain(value) : json(value);
}
