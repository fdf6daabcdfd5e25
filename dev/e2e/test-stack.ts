import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import type { JWK } from 'jose';
import type { TestProject } from 'vitest/node';
import { quietEnvironment } from '../quiet-environment.ts';
import { type StackFacts, type StackOptions, startStack } from '../start/stack.ts';
import { freePorts } from './free-ports.ts';
import { makeGitHub } from './github.ts';
import { openQueryServer } from './query-server.ts';

/** Data of the main process for the workers that run the tests. */
export interface TestStack {
  /** Contains the databases and objects of the stack, and `workers.log`. */
  readonly folder: string;
  /** URL of the server in `query-server.ts`. */
  readonly queries: string;
  /** Decrypts the broker's signing keys. */
  readonly keyEncryptionKey: string;
  /** The private key, as a JWK, of the GitHub that the stack's broker has registered. */
  readonly githubKey: JWK;
}

declare module 'vitest' {
  export interface ProvidedContext {
    readonly stack: StackFacts;
    readonly testStack: TestStack;
  }
}

/**
 * A stack from the built bundles, on ports and in a folder of its own, provided to all files of a project. Answers how
 * to end it.
 */
export async function provideStack(
  { provide }: TestProject,
  pageOrigins: readonly string[] = [],
  { folders = {}, brokerSettings = {} }: Pick<StackOptions, 'folders' | 'brokerSettings'> = {},
): Promise<() => Promise<void>> {
  Object.assign(process.env, quietEnvironment(process.env));
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-e2e-'));
  const log = createWriteStream(join(folder, 'workers.log'));
  const secrets = makeSecrets();
  const ports = await freePorts();
  const github = await makeGitHub(`http://127.0.0.1:${ports.broker}`);
  const stack = await startStack({
    ports,
    secrets,
    brokerSettings: { OIDC_ISSUERS: github.issuers, ...brokerSettings },
    pageOrigins,
    folders,
    stateDir: join(folder, 'state'),
    onLog: (line) => log.write(`${line}\n`),
  });
  const queries = await openQueryServer(stack);
  provide('stack', stack.facts);
  provide('testStack', {
    folder,
    queries: queries.url,
    keyEncryptionKey: secrets.keyEncryptionKey,
    githubKey: github.privateJwk,
  });
  return async () => {
    await Promise.all([stack.close(), queries.close()]);
    log.end();
    await rm(folder, { recursive: true });
  };
}
