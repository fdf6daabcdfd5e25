/** Everything that a command needs from its process, so that tests run commands without one. */
export interface Terminal {
  /** Lines of a file, one at a time, whatever its size. Rejects when there is no such file. */
  readonly readLines: (path: string) => AsyncIterable<string>;
  readonly fetch: (url: string) => Promise<Response>;
  /** What the wrangler of this folder reads of its configuration, or of the one named. Rejects where wrangler is not installed. */
  readonly readWorker: (path?: string) => Promise<unknown>;
  /** Creates files, with their folders, below this folder. Where some are there already: answers those, creates none. */
  readonly createFiles: (files: readonly NewFile[]) => Promise<readonly string[]>;
  /** Runs a development stack until a signal. */
  readonly runDev: (options: DevOptions) => Promise<ExitCode>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether a person reads the output: only then it has colours. */
  readonly colours: boolean;
}

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

/** 0: done and well. 1: done, and the answer is bad. 2: not done. */
export type ExitCode = 0 | 1 | 2;

/** A fault that the caller can mend. Its text says how. */
export class UsageError extends Error {}
