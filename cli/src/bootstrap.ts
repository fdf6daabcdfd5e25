import { PERMISSIONS } from '@agent-ticket/broker/src/credentials/permissions.ts';
import { digestSecret, makeSecret, makeTokenId } from '@agent-ticket/broker/src/credentials/secret.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { hex } from '@agent-ticket/shared/hex.ts';
import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import { base64url } from 'jose';
import * as z from 'zod';
import { type ExitCode, type Row, type Terminal, UsageError } from './command.ts';
import { openCloudflare } from './deploy/cloudflare.ts';
import { writeProfile } from './sign-in/profile.ts';

export interface BootstrapOptions {
  /** Wrangler configuration of the broker, for D1; left out: libSQL. */
  readonly d1?: string | undefined;
  /** Of D1: the local one of development. */
  readonly local?: boolean | undefined;
  /** libSQL: `file:<path>`, `libsql://…`, `https://…`; left out: `CONTROL_DATABASE_URL`. */
  readonly database?: string | undefined;
  /** JSON with `TOKEN_PEPPER`, as it was given to wrangler; left out: the environment and `CREDENTIALS_DIRECTORY`. */
  readonly secretsFile?: string | undefined;
  readonly name: string;
  /** Also where an operator exists. */
  readonly again?: boolean | undefined;
  /** Writes no row: prints the SQL. */
  readonly print?: boolean | undefined;
  /** The profile that keeps the credential, which is not printed then. */
  readonly save?: string | undefined;
  /** Address of the broker, for that profile. */
  readonly broker?: string | undefined;
  readonly json: boolean;
}

/**
 * `agent-ticket bootstrap`: the first service token, with every permission, for a caller that can write to the control
 * database. The broker delivers its event to the audit log. Does NOT see operators that claim rules make.
 */
export async function bootstrap(options: BootstrapOptions, terminal: Terminal): Promise<ExitCode> {
  const { save, broker, print = false, json } = options;
  if (save !== undefined && broker === undefined)
    throw new UsageError('--save needs --broker, the address that the credential is for.');
  const settings = await terminal.readCredentials();
  const pepper = await readPepper(options.secretsFile, settings, terminal);
  const { id, secret, statements } = await makeOperator(
    { pepper, name: options.name, again: options.again === true },
    terminal,
  );

  if (print) {
    terminal.out(`${statements.join(';\n')};\n`);
    terminal.err(
      `client id ${id}\nsecret    ${secret}\nThe last row says 0 where an operator exists: then nothing was made.\n`,
    );
    return 0;
  }
  const [row] = await execute(statements, options, settings, terminal);
  if (Number(row?.made) !== 1)
    throw new UsageError(
      'There is an operator already: a service token with service-tokens:write. Use it, or add --again to make another one.',
    );
  if (save !== undefined && broker !== undefined) {
    const path = await writeProfile(save, { broker, client_id: id, client_secret: secret }, terminal);
    terminal.err(`Kept in ${path}. Try it: agent-ticket me --profile ${save}\n`);
    return 0;
  }
  terminal.out(
    json
      ? `${JSON.stringify({ client_id: id, client_secret: secret })}\n`
      : `client id ${id}\nsecret    ${secret}\n`,
  );
  terminal.err(
    'The secret is shown this once. Make tokens with fewer permissions by: agent-ticket service-tokens create\n',
  );
  return 0;
}

interface NewOperator {
  readonly id: string;
  readonly secret: string;
  /** The last one answers a row whose `made` is 1, or 0 where an operator exists. */
  readonly statements: readonly string[];
}

/** A service token with every permission, and the SQL that stores it. Without `again` that stores none beside another operator. */
export async function makeOperator(
  { pepper, name, again }: { pepper: Uint8Array<ArrayBuffer>; name: string; again: boolean },
  terminal: Terminal,
): Promise<NewOperator> {
  const id = makeTokenId(terminal.randomBytes);
  const secret = makeSecret(id, terminal.randomBytes);
  const digest = await digestSecret(secret, pepper);
  return { id, secret, statements: sqlOf({ id, digest, name, again }, terminal) };
}

/** Undefined where it is not 32 bytes in base64url. */
export function pepperOf(text: string | undefined): Uint8Array<ArrayBuffer> | undefined {
  // Not everything that decodes is base64url: a newline at the end makes another pepper.
  return /^[A-Za-z0-9_-]{43}$/.test(text ?? '') ? new Uint8Array(base64url.decode(text ?? '')) : undefined;
}

type Settings = Terminal['environment'];

async function readPepper(
  file: string | undefined,
  settings: Settings,
  terminal: Terminal,
): Promise<Uint8Array<ArrayBuffer>> {
  const text = file === undefined ? settings.TOKEN_PEPPER : await pepperIn(file, terminal);
  const bytes = pepperOf(text);
  if (bytes !== undefined) return bytes;
  throw new UsageError(
    'The token would not work without the TOKEN_PEPPER of the broker: 32 bytes in base64url. Set it, give --secrets-file, or name the folder of a file TOKEN_PEPPER by CREDENTIALS_DIRECTORY.',
  );
}

async function pepperIn(file: string, terminal: Terminal): Promise<string | undefined> {
  const lines: string[] = [];
  for await (const line of terminal.readLines(file)) lines.push(line);
  const read = z.object({ TOKEN_PEPPER: z.string() }).safeParse(parseJson(lines.join('\n')));
  return read.success ? read.data.TOKEN_PEPPER : undefined;
}

async function execute(
  statements: readonly string[],
  { d1, local, database }: BootstrapOptions,
  settings: Settings,
  terminal: Terminal,
): Promise<readonly Row[]> {
  if (d1 !== undefined) {
    const sql = statements.join('; ');
    return openCloudflare(terminal.runWrangler).query(
      d1,
      'CONTROL',
      sql,
      local === true ? 'local' : 'remote',
    );
  }
  const url = database ?? settings.CONTROL_DATABASE_URL;
  if (url === undefined)
    throw new UsageError(
      'Name the control database: --d1 broker/wrangler.jsonc, or CONTROL_DATABASE_URL of a broker on Node.',
    );
  return terminal.runLibsql({ url, token: settings.CONTROL_DATABASE_TOKEN }, statements);
}

interface Token {
  readonly id: string;
  readonly digest: string;
  readonly name: string;
  readonly again: boolean;
}

/**
 * Token, event and secret, as a change of policy writes them: the event in the outbox, from where the broker delivers it.
 * The last statement answers whether the token was made.
 */
function sqlOf({ id, digest, name, again }: Token, terminal: Terminal): readonly string[] {
  const now = terminal.now();
  const event: AuditEvent = {
    eventId: uuid(terminal.randomBytes(16)),
    at: now,
    type: 'service_token.created',
    outcome: 'success',
    details: { service_token: id, name, by: 'bootstrap' },
  };
  const isOperator = `revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${now}) AND permissions LIKE '%"service-tokens:write"%'`;
  const none = again ? '1' : `NOT EXISTS (SELECT 1 FROM service_tokens WHERE ${isOperator})`;
  const made = `EXISTS (SELECT 1 FROM service_tokens WHERE id = ${text(id)})`;
  const permissions = text(JSON.stringify(PERMISSIONS));
  return [
    `INSERT INTO service_tokens (id, name, permissions, tier, created_by, created_at) SELECT ${text(id)}, ${text(name)}, ${permissions}, 'admin', 'bootstrap', ${now} WHERE ${none}`,
    `INSERT INTO outbox (id, event, due_at) SELECT ${text(event.eventId)}, ${text(JSON.stringify(event))}, ${now} WHERE ${made}`,
    `INSERT INTO service_token_secrets (digest, token_id, created_at) SELECT ${text(digest)}, ${text(id)}, ${now} WHERE ${made}`,
    `SELECT count(*) AS made FROM service_tokens WHERE id = ${text(id)}`,
  ];
}

/** A text of SQL. D1's command line and the driver of libSQL take no parameters in several statements. */
function text(value: string): string {
  if (/[\p{Cc};]/u.test(value)) throw new UsageError('--name holds a control character or a semicolon.');
  return `'${value.replaceAll("'", "''")}'`;
}

/** RFC 9562 §5.4. */
function uuid(random: Uint8Array): string {
  const bytes = random.map((byte, index) =>
    index === 6 ? (byte & 0x0f) | 0x40 : index === 8 ? (byte & 0x3f) | 0x80 : byte,
  );
  const text = hex(bytes);
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join(
    '-',
  );
}
