import { createHash, createHmac, createSecretKey } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import { type OpenDatabase, openControl, openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import { clientAddress, isForwardedTls } from '../../http/client-address.ts';
import { createMeter } from '../../metrics/meter.ts';
import { mintShardInProcess } from '../../mint/shard-node.ts';
import { isLocal } from '../../webhooks/receiver-url.ts';
import { compose } from '../compose.ts';
import { openWeb } from '../open-web.ts';
import type { BrokerPorts } from '../ports.ts';
import { runArchive, runScheduled } from '../scheduled.ts';
import type { DatabaseConfig, NodeConfig } from './config.ts';
import { openArchive } from './open-archive.ts';
import { openPost } from './open-post.ts';
import { openServer } from './open-server.ts';
import { openTrustedProxies } from './open-trusted-proxies.ts';
import { repeat, wait } from './repeat.ts';

const MINUTE_MS = 60_000;

/** How long requests under way and idle connections may take to end once the broker stops. */
const STOP_PATIENCE_MS = 10_000;

interface NodeBroker {
  /** Where it listens. */
  readonly url: string;
  /** Takes no new connections, serves those that are open to their end, and closes both databases. */
  stop(): Promise<void>;
}

/** The facts about the caller of a request that no caller can forge. */
interface Caller {
  readonly address: string | null;
  readonly isByTls: boolean;
}

/** The broker as a function from request to answer. */
type CreateApp = (ports: BrokerPorts) => { fetch(request: Request): Response | Promise<Response> };

export type Log = (event: Readonly<Record<string, unknown>>) => void;

/**
 * Starts the broker in this process: opens and migrates both databases, makes the first keys and listens on the port.
 * Throws an `Error` that names the failed step, so that no broker runs without one of them.
 *
 * @param consoleFolders where the built console may be. The first that exists is served; without one there is no
 * console.
 */
export async function openBroker(
  config: NodeConfig,
  registry: AgentRegistry,
  createApp: CreateApp,
  log: Log,
  consoleFolders: readonly string[] = [],
): Promise<NodeBroker> {
  const consoleFile = await openConsole(consoleFolders);
  const control = await openNamed('control', config.control, openControl);
  let record: OpenDatabase<RecordStore> | undefined;
  try {
    record = await openNamed('record', config.record, openRecord);
    return await start(config, registry, createApp, log, consoleFile, control, record);
  } catch (error) {
    await control.close();
    await record?.close();
    throw error;
  }
}

async function start(
  config: NodeConfig,
  registry: AgentRegistry,
  createApp: CreateApp,
  log: Log,
  consoleFile: BrokerPorts['consoleFile'],
  control: OpenDatabase<ControlStore>,
  record: OpenDatabase<RecordStore>,
): Promise<NodeBroker> {
  const beside = new Set<Promise<void>>();
  const answers = new Set<Promise<Response>>();
  const callers = new WeakMap<Request, Caller>();
  const isTrusted = openTrustedProxies(config.trustedProxies);
  const pepper = createSecretKey(config.broker.tokenPepper);
  const web = openWeb();
  const meter = createMeter();

  const ports = compose(config.broker, registry, {
    ...web,
    measure: meter.measure,
    metricsText: meter.text,
    post: openPost(isLocal(config.broker)),
    archive: config.archive && (await openArchive(config.archive)),
    control: control.store,
    record: record.store,
    shard: mintShardInProcess(
      { registry, control: control.store, config: config.broker, randomId: web.randomId },
      record.store,
      web.clock,
    ),
    ping: { control: () => control.ping(), record: () => record.ping() },
    digestSecret: (secret) => createHmac('sha256', pepper).update(secret).digest('base64url'),
    addressOf: (request) => callers.get(request)?.address ?? null,
    isByTls: (request) => callers.get(request)?.isByTls === true,
    later: (work) => {
      const running = work
        .catch((error: unknown) => log({ event: 'background_failed', error: describeError(error) }))
        .finally(() => beside.delete(running));
      beside.add(running);
    },
    log,
    consoleFile,
  });
  await expectKeys(ports);

  const app = createApp(ports);
  const server = await openServer(config, (request, { peer, forwardedFor, forwardedProto }) => {
    callers.set(request, {
      address: clientAddress(peer, forwardedFor, isTrusted),
      isByTls: isForwardedTls(peer, forwardedProto, isTrusted),
    });
    const answer = Promise.resolve(app.fetch(request));
    const done = () => void answers.delete(answer);
    answers.add(answer);
    answer.then(done, done);
    return answer;
  });
  const [eachMinute, archiving] = [runScheduled, runArchive].map((tasks) =>
    repeat(() => tasks(ports), MINUTE_MS, { clock: () => performance.now(), wait }),
  );

  return {
    url: server.url,
    async stop() {
      await Promise.all([server.stop(STOP_PATIENCE_MS), eachMinute?.stop(), archiving?.stop()]);
      // A request whose connection was cut is still being answered.
      await Promise.allSettled(answers);
      await Promise.all(beside);
      await control.close();
      await record.close();
    },
  };
}

/** The built console, in memory: a few files of some kilobytes. No part of a request is used as a path. */
async function openConsole(folders: readonly string[]): Promise<BrokerPorts['consoleFile']> {
  const folder = folders.find((each) => existsSync(each));
  if (folder === undefined) return undefined;
  const read = async (name: string) => {
    const bytes = new Uint8Array(await readFile(join(folder, name)));
    const etag = `"${createHash('sha256').update(bytes).digest('base64url')}"`;
    return [name, () => new Response(bytes, { headers: { etag } })] as const;
  };
  const files = new Map(await Promise.all((await readdir(folder)).map(read)));
  return async (name) => files.get(name)?.();
}

/** Opens a database. An error names the database and its setting, never the token. */
async function openNamed<Db>(
  name: 'control' | 'record',
  { url, token }: DatabaseConfig,
  open: (url: string, token?: string) => Promise<OpenDatabase<Db>>,
): Promise<OpenDatabase<Db>> {
  try {
    return await open(url, token);
  } catch (error) {
    let root = error;
    while (root instanceof Error && root.cause instanceof Error) root = root.cause;
    const why = root instanceof Error ? root.message : String(root);
    const setting = `${name.toUpperCase()}_DATABASE_URL`;
    throw new Error(`the ${name} database (${setting}) cannot be opened: ${why}`, { cause: error });
  }
}

/**
 * Makes the first keys at the first start. A wrong `KEK` fails here, before the first request, and makes no key. An active
 * key that was revoked after a backup of the control database does not: the API of the running broker revokes it again.
 */
async function expectKeys(ports: BrokerPorts): Promise<void> {
  const now = ports.clock();
  for (const keyring of [ports.keyring, ports.auditKeyring]) {
    const signer = await keyring.signer(now);
    if (signer.ok || (await keyring.restoredActive(now)) !== undefined) continue;
    throw new Error(`there are ${keyring.purpose} keys, but ${signer.denial.detail}`);
  }
}
