/** Everything that a command needs from its process, so that tests run commands without one. */
export interface Terminal {
  /** Lines of a file, one at a time, whatever its size. Rejects when there is no such file. */
  readonly readLines: (path: string) => AsyncIterable<string>;
  /**
   * Follows no redirect: a credential goes to the address that it was meant for. Rejects with a `TypeError` where nothing
   * begins to answer within a minute.
   */
  readonly fetch: (request: string | Request, init?: RequestInit) => Promise<Response>;
  /** Node sends headers that a browser's script may not choose. */
  readonly openSocket: (
    url: string,
    protocols: readonly string[],
    headers?: Readonly<Record<string, string>>,
  ) => WebSocket;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The environment with the files of `CREDENTIALS_DIRECTORY`, as the broker on Node reads both. */
  readonly readCredentials: () => Promise<Terminal['environment']>;
  /** A file for secrets, by its name in the user's configuration folder. Rejects where others can read it. */
  readonly readPrivate: (name: string) => Promise<string | undefined>;
  /** Writes such a file, readable by the owner only. Answers its path. */
  readonly writePrivate: (name: string, text: string) => Promise<string>;
  /** Names of these files. */
  readonly listPrivate: () => Promise<readonly string[]>;
  /** Whether there was such a file. */
  readonly deletePrivate: (name: string) => Promise<boolean>;
  /** Runs the work while no other process holds the lock of the same file. */
  readonly lockPrivate: <Result>(name: string, work: () => Promise<Result>) => Promise<Result>;
  /**
   * A server on 127.0.0.1 and a port, 0 for any free one. Answers GET requests that name this very address as their host.
   * `cookie` is the header, empty where there is none.
   */
  readonly openLoopback: (
    port: number,
    answer: (url: URL, cookie: string) => LoopbackAnswer,
  ) => Promise<Loopback>;
  /** Opens an address in the browser of the desktop, if there is one. Does not wait. */
  readonly openBrowser: (url: string) => void;
  /** Runs Cloudflare's own client of Access. Answers its output. */
  readonly runCloudflared: (words: readonly string[]) => Promise<string>;
  /**
   * Opens a file of lines to append to, cut after the last line that is kept; an incomplete line never is. Rejects where a
   * file has something else alone: it is not ours.
   */
  readonly openLines: (path: string, isKept: (line: string) => boolean) => Promise<Lines>;
  /**
   * Runs the wrangler of this folder, which asks no person. `input` is for its standard input, where secrets belong: words
   * of a process are no secret on a machine. Rejects where wrangler is not installed, and for no exit code.
   */
  readonly runWrangler: (words: readonly string[], input?: string) => Promise<WranglerRun>;
  /** Files of this folder, by their paths from it. */
  readonly project: Project;
  /** A libSQL database, through the driver of the broker that is installed here. All statements, or none. */
  readonly runLibsql: (
    database: { readonly url: string; readonly token?: string | undefined },
    statements: readonly string[],
  ) => Promise<readonly Row[]>;
  /** A secret is not shown while it is typed. */
  readonly openInput: (prompt: string, isSecret?: boolean) => Input;
  /** Whether a person can be asked. */
  readonly isInteractive: boolean;
  /** The width of the terminal that shows the output; undefined where none does. */
  readonly columns: number | undefined;
  readonly now: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Resolves sooner when `until` is aborted, or when the process is interrupted and the command watches that. */
  readonly wait: (ms: number, until?: AbortSignal) => Promise<void>;
  /** Aborted by the first Ctrl-C, where the command watches that; a command that does not is ended by it. */
  readonly interrupted: AbortSignal;
  /** Resolves when the output can take more. */
  readonly drained: () => Promise<void>;
  /** What the wrangler of this folder reads of its configuration, or of the one named. Rejects where wrangler is not installed. */
  readonly readWorker: (path?: string) => Promise<unknown>;
  /** The configuration of a worker as it is written, in whatever format, without defaults and with its own relative paths. */
  readonly readRawWorker: (path: string) => Promise<unknown>;
  /** Creates files, with their folders, below this folder. Where some are there already: answers those, creates none. */
  readonly createFiles: (files: readonly NewFile[]) => Promise<readonly string[]>;
  /** Runs a development stack until a signal. */
  readonly runDev: (options: DevOptions) => Promise<ExitCode>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether a person reads the output: only then it has colours. */
  readonly colours: boolean;
}

/** How wrangler ended. */
export interface WranglerRun {
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** See `Terminal.project`. */
export interface Project {
  /** Undefined where there is no such file. */
  read(path: string): Promise<string | undefined>;
  /** Replaces a file, with its folders, as a whole. */
  write(path: string, text: string): Promise<void>;
  /** Names in a folder; none where there is no such folder. */
  list(folder: string): Promise<readonly string[]>;
  /** SHA-256 in hex over names and bytes of all files below the folders, but for source maps and the notes of wrangler. */
  digest(folders: readonly string[]): Promise<string>;
}

/** A file of lines, open for one process alone. */
export interface Lines {
  /** The line after which the file was cut; undefined where the file is empty. */
  readonly last: string | undefined;
  /** Appends whole lines. Rejects where somebody else has written to the file. */
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

export interface LoopbackAnswer {
  readonly status: number;
  /** HTML of a paragraph. */
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}
export interface Loopback {
  readonly port: number;
  /** Resolves when the last answer was sent. */
  close(): Promise<void>;
}

/** Lines that a person types, or that come from a pipe. */
export interface Input {
  /** The next line; undefined at the end of the input, which Ctrl-C is, too. */
  next(): Promise<string | undefined>;
  /** Shows the prompt and the typed text again, below lines that were written meanwhile. */
  redraw(): void;
  close(): void;
}

/** A row of a database, by column. */
export type Row = Readonly<Record<string, unknown>>;

/** Where a development stack listens, all on 127.0.0.1. */
export interface DevPorts {
  readonly app: number;
  readonly broker: number;
  readonly identityProvider: number;
}

export interface DevOptions {
  /** Folder of the broker, as `agent-ticket init` made it. */
  readonly folder: string;
  readonly ports: DevPorts;
  /** Origins of pages that are served elsewhere. */
  readonly origins: readonly string[];
}

export interface NewFile {
  readonly path: string;
  readonly text: string;
}

/** The meaning of the exit codes. */
export const EXIT_CODES = {
  0: 'done and well',
  1: 'done and the answer is bad',
  2: 'not done; then the last line says what to do',
} as const;
export type ExitCode = keyof typeof EXIT_CODES;

/** A fault that the caller can mend. Its text says how; `facts` are for programs. */
export class UsageError extends Error {
  readonly facts: Readonly<Record<string, string | number>>;

  constructor(message: string, facts: Readonly<Record<string, string | number>> = {}) {
    super(message);
    this.facts = facts;
  }
}
