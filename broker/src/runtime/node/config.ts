import { isLoopback, List, readSettings } from '@agent-ticket/shared/settings.ts';
import * as z from 'zod';
import { BEGINNINGS, type BrokerConfig, configOf, Settings } from '../../config/config.ts';
import { plainAddress } from '../../http/client-address.ts';
import type { ArchivePlace } from './open-archive.ts';

const isRange = (text: string): boolean => {
  const [address = '', prefix, ...more] = text.split('/');
  const plain = plainAddress(address);
  if (plain === undefined || plain !== address.toLowerCase() || more.length > 0) return false;
  if (prefix === undefined) return true;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (plain.includes(':') ? 128 : 32);
};

/** A file, or a libSQL server: by TLS, or on loopback. */
const DatabaseUrl = z
  .string()
  .max(1024)
  .refine((text) => {
    if (/^file:[^?#]+$/.test(text)) return !text.includes(':memory:');
    if (!URL.canParse(text) || /[?#]|\/\/[^/]*@/.test(text)) return false;
    const { protocol, hostname } = new URL(text);
    if (/^(libsql|https|wss):$/.test(protocol)) return true;
    return /^(http|ws):$/.test(protocol) && isLoopback(hostname);
  }, 'must be file:<path>, libsql:// or https:// (http:// on loopback only), without query, fragment or user');

const FolderUrl = /^file:[^?#]+$/;

/** A folder, or the address of a bucket and a folder in it: by TLS, or on loopback. */
const ArchiveUrl = z
  .string()
  .max(1024)
  .refine((text) => {
    if (FolderUrl.test(text)) return true;
    if (!URL.canParse(text) || /[?#]|\/\/[^/]*@|\/$/.test(text)) return false;
    const { protocol, hostname, pathname } = new URL(text);
    return (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))) && pathname !== '/';
  }, 'must be file:<path>, or https://<host>/<bucket and folder> without query, fragment, user and slash at its end');

/** The settings of the broker on Node: those of the broker on Workers, and replacements of its bindings. */
export const NodeSettings = Settings.safeExtend({
  /** A path from the working directory. */
  AGENTS: z
    .string()
    .regex(/\.(json|[cm]?[jt]s)$/, 'must be the path of a module or a JSON file')
    .default('agents.ts'),
  CONTROL_DATABASE_URL: DatabaseUrl.default('file:control.db'),
  CONTROL_DATABASE_TOKEN: z.string().min(1).max(8192).optional(),
  RECORD_DATABASE_URL: DatabaseUrl.default('file:record.db'),
  RECORD_DATABASE_TOKEN: z.string().min(1).max(8192).optional(),
  AUDIT_ARCHIVE_URL: ArchiveUrl.optional(),
  AUDIT_ARCHIVE_REGION: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, 'must be the name of a region')
    .default('us-east-1'),
  AUDIT_ARCHIVE_KEY_ID: z.string().min(1).max(512).optional(),
  AUDIT_ARCHIVE_SECRET: z.string().min(1).max(512).optional(),
  HOST: z
    .string()
    .regex(/^[A-Za-z0-9.:-]{1,255}$/, 'must be a host name or an address')
    .default('127.0.0.1'),
  PORT: z
    .string()
    .regex(/^\d{1,5}$/, 'must be a TCP port')
    .default('8787')
    .transform(Number)
    .refine((port) => port <= 65_535, 'must be a TCP port'),
  TRUSTED_PROXIES: List.refine(
    (ranges) => ranges.every(isRange),
    'must be IP addresses and CIDR ranges, comma-separated',
  ).default([]),
}).superRefine((s, ctx) => {
  const fault = (name: string, message: string) => ctx.addIssue({ code: 'custom', path: [name], message });
  if (s.CONTROL_DATABASE_URL === s.RECORD_DATABASE_URL)
    fault('RECORD_DATABASE_URL', 'must not be the control database');
  const isServer = s.AUDIT_ARCHIVE_URL !== undefined && !FolderUrl.test(s.AUDIT_ARCHIVE_URL);
  for (const name of ['AUDIT_ARCHIVE_KEY_ID', 'AUDIT_ARCHIVE_SECRET'] as const) {
    if (isServer && s[name] === undefined) fault(name, 'is missing: AUDIT_ARCHIVE_URL is a server');
    if (!isServer && s[name] !== undefined) fault(name, 'is for a server as AUDIT_ARCHIVE_URL');
  }
  if (s.AUTH_MODE === 'none' && !isLoopback(s.HOST.includes(':') ? `[${s.HOST}]` : s.HOST))
    fault('HOST', 'must be loopback while AUTH_MODE is none');
});

export interface NodeConfig {
  readonly broker: BrokerConfig;
  /** Undefined: all of the audit log is in the record database. */
  readonly archive: ArchivePlace | undefined;
  /** Path of the registry, from the working directory. */
  readonly agents: string;
  readonly control: DatabaseConfig;
  readonly record: DatabaseConfig;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** File descriptor of the socket to listen on, in place of host and port. */
  readonly inheritedSocket: number | undefined;
  /** Refuses every other address of such a socket, while `AUTH_MODE` is none. */
  readonly loopbackOnly: boolean;
  readonly trustedProxies: readonly string[];
}

export interface DatabaseConfig {
  readonly url: string;
  readonly token: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

function archivePlace(s: z.output<typeof NodeSettings>): ArchivePlace | undefined {
  const { AUDIT_ARCHIVE_URL: url, AUDIT_ARCHIVE_KEY_ID: accessKeyId } = s;
  if (url === undefined) return undefined;
  if (FolderUrl.test(url)) return { folder: url.slice('file:'.length) };
  const [region, secretAccessKey] = [s.AUDIT_ARCHIVE_REGION, s.AUDIT_ARCHIVE_SECRET];
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { url, region, accessKeyId, secretAccessKey };
}

/** The first file descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST_PASSED = 3;

/** The socket that systemd passed to this process, by the variables of sd_listen_fds(3). Those of another are ignored. */
function inheritedSocketOf({ LISTEN_PID, LISTEN_FDS }: Environment, pid: number): number | undefined {
  if (LISTEN_PID !== String(pid) || LISTEN_FDS === undefined) return undefined;
  if (LISTEN_FDS !== '1') throw new Error('LISTEN_FDS: the broker listens on one socket: pass exactly one');
  return FIRST_PASSED;
}

/**
 * The configuration in a process's environment. Throws an `Error` that names each wrong setting and no value.
 *
 * @param pid of the process.
 */
export function readNodeConfig(env: Environment, pid: number): NodeConfig {
  const s = readSettings('broker', NodeSettings, env, BEGINNINGS);
  return {
    broker: configOf(s),
    archive: archivePlace(s),
    agents: s.AGENTS,
    control: { url: s.CONTROL_DATABASE_URL, token: s.CONTROL_DATABASE_TOKEN },
    record: { url: s.RECORD_DATABASE_URL, token: s.RECORD_DATABASE_TOKEN },
    host: s.HOST,
    port: s.PORT,
    inheritedSocket: inheritedSocketOf(env, pid),
    loopbackOnly: s.AUTH_MODE === 'none',
    trustedProxies: s.TRUSTED_PROXIES,
  };
}
