import type { Terminal } from '../src/command.ts';

/** A terminal of which a command may use only what is given. */
export function terminalWith(given: Partial<Terminal>): { terminal: Terminal; said: Said } {
  const said = { out: '', err: '' };
  const unused = (name: string) => (): never => {
    throw new Error(`the command used ${name}`);
  };
  const terminal: Terminal = {
    readLines: unused('readLines'),
    fetch: unused('fetch'),
    readWorker: unused('readWorker'),
    readRawWorker: unused('readRawWorker'),
    project: {
      read: unused('project.read'),
      write: unused('project.write'),
      list: unused('project.list'),
      digest: unused('project.digest'),
    },
    createFiles: unused('createFiles'),
    runDev: unused('runDev'),
    openSocket: unused('openSocket'),
    environment: {},
    readCredentials: async () => given.environment ?? {},
    readPrivate: unused('readPrivate'),
    writePrivate: unused('writePrivate'),
    listPrivate: unused('listPrivate'),
    deletePrivate: unused('deletePrivate'),
    lockPrivate: unused('lockPrivate'),
    openLoopback: unused('openLoopback'),
    openBrowser: unused('openBrowser'),
    runCloudflared: unused('runCloudflared'),
    openLines: unused('openLines'),
    runWrangler: unused('runWrangler'),
    runLibsql: unused('runLibsql'),
    openInput: unused('openInput'),
    isInteractive: false,
    columns: undefined,
    now: () => 1_700_000_000_000,
    randomBytes: (length) => new Uint8Array(length).fill(7),
    wait: async () => {},
    interrupted: new AbortController().signal,
    drained: async () => {},
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    colours: false,
    ...given,
  };
  return { terminal, said };
}

interface Said {
  readonly out: string;
  readonly err: string;
}
