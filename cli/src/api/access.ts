import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import * as z from 'zod';
import { type ExitCode, type Terminal, UsageError } from '../command.ts';

/** The broker that a command asks, and the credential for it. */
export interface Access {
  /** Its `ISSUER`, without a slash at its end. */
  readonly broker: string;
  readonly credential: Credential | undefined;
}

type Credential =
  | { readonly kind: 'service-token'; readonly clientId: string; readonly clientSecret: string }
  | { readonly kind: 'bearer'; readonly token: string };

/** The content of a profile file: a service token, or an access token of Auth0 or of a registered issuer. */
const Profile = z.union([
  z.strictObject({ broker: z.string(), client_id: z.string(), client_secret: z.string() }),
  z.strictObject({ broker: z.string(), token: z.string() }),
  z.strictObject({ broker: z.string() }),
]);
type Profile = z.infer<typeof Profile>;

/** Names of the environment; with one of them set, no profile is read. */
const { BROKER, CLIENT_ID, CLIENT_SECRET, TOKEN, PROFILE } = {
  BROKER: 'AGENT_TICKET_BROKER',
  CLIENT_ID: 'AGENT_TICKET_CLIENT_ID',
  CLIENT_SECRET: 'AGENT_TICKET_CLIENT_SECRET',
  TOKEN: 'AGENT_TICKET_TOKEN',
  PROFILE: 'AGENT_TICKET_PROFILE',
} as const;

/** Any other address would expose the credential to the network. */
const SAFE = /^(https:|http:\/\/(localhost|127(\.\d+){3}|\[::1\])(:|$))/;
const PRINTABLE = /^[\u0021-\u007e]+$/;
const PROFILE_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/**
 * The named profile; else the environment, all of it; else the profile of `AGENT_TICKET_PROFILE`, or `default`. The two
 * are never mixed, so that no credential goes to a broker that it is not for.
 */
export async function findAccess(profile: string | undefined, terminal: Terminal): Promise<Access> {
  const { environment } = terminal;
  const isSet = [BROKER, CLIENT_ID, CLIENT_SECRET, TOKEN].some((name) => environment[name]);
  if (profile === undefined && isSet) return fromEnvironment(environment);
  const name = profile ?? (environment[PROFILE] || 'default');
  const found = await readProfile(name, terminal);
  if (found !== undefined) return found;
  throw new UsageError(
    profile === undefined && name === 'default'
      ? `No broker is named. Set ${BROKER}, ${CLIENT_ID} and ${CLIENT_SECRET}, or keep them by: agent-ticket profiles save default`
      : `There is no profile ${name}. Set ${BROKER} and a credential, and keep them by: agent-ticket profiles save ${name}`,
  );
}

/** `agent-ticket profiles save`: keeps the broker and credential of the environment in a file for its owner alone. */
export async function saveProfile(name: string, terminal: Terminal): Promise<ExitCode> {
  const path = await writeProfile(name, profileOf(terminal.environment), terminal);
  terminal.err(`Kept in ${path}. Use it by --profile ${name}, without the AGENT_TICKET_ variables.\n`);
  return 0;
}

/** Writes a profile for its owner alone. Answers the path of its file. */
export const writeProfile = (name: string, profile: Profile, terminal: Terminal): Promise<string> =>
  terminal.writePrivate(profileFile(name), `${JSON.stringify(profile, null, 2)}\n`);

function profileOf(environment: Terminal['environment']): Profile {
  const { broker, credential } = fromEnvironment(environment);
  if (credential === undefined) return { broker };
  return credential.kind === 'bearer'
    ? { broker, token: credential.token }
    : { broker, client_id: credential.clientId, client_secret: credential.clientSecret };
}

/** The file of a profile, in the user's configuration folder. */
function profileFile(name: string): string {
  if (PROFILE_NAME.test(name)) return `${name}.json`;
  throw new UsageError(`${name} is no name of a profile. Use letters, digits, - and _.`);
}

function fromEnvironment(environment: Terminal['environment']): Access {
  const value = (name: string): string | undefined => environment[name] || undefined;
  const [broker, clientId, clientSecret, token] = [BROKER, CLIENT_ID, CLIENT_SECRET, TOKEN].map(value);
  if (broker === undefined)
    throw new UsageError(
      `Set ${BROKER} to the address of the broker, or unset the other AGENT_TICKET_ variables.`,
    );
  if (token !== undefined && (clientId ?? clientSecret) !== undefined)
    throw new UsageError(`Set either ${TOKEN}, or ${CLIENT_ID} and ${CLIENT_SECRET}.`);
  if ((clientId === undefined) !== (clientSecret === undefined))
    throw new UsageError(`Set ${clientId === undefined ? CLIENT_ID : CLIENT_SECRET}, too.`);
  return accessOf(
    {
      broker,
      ...(token !== undefined && { token }),
      ...(clientId !== undefined && { client_id: clientId, client_secret: clientSecret }),
    },
    BROKER,
  );
}

async function readProfile(name: string, terminal: Terminal): Promise<Access | undefined> {
  const file = profileFile(name);
  const text = await terminal.readPrivate(file);
  if (text === undefined) return undefined;
  return accessOf(parseJson(text), `the profile ${name}`);
}

function accessOf(text: unknown, source: string): Access {
  const read = Profile.safeParse(text);
  if (!read.success)
    throw new UsageError(`${source} is damaged. Write it anew by: agent-ticket profiles save`);
  const url = URL.parse(read.data.broker);
  if (
    url === null ||
    !SAFE.test(url.origin) ||
    `${url.search}${url.hash}${url.username}${url.password}` !== ''
  )
    throw new UsageError(
      `The address in ${source} must be https, or http on loopback: the ISSUER of the broker, without a query.`,
    );
  if (Object.values(read.data).some((value) => !PRINTABLE.test(value)))
    throw new UsageError(`${source} holds a space or a line break, as no address and no credential does.`);
  // A broker that is mounted in another worker is below a path.
  const broker = url.origin + url.pathname.replace(/\/$/, '');
  if ('token' in read.data) return { broker, credential: { kind: 'bearer', token: read.data.token } };
  if (!('client_id' in read.data)) return { broker, credential: undefined };
  const { client_id: clientId, client_secret: clientSecret } = read.data;
  return { broker, credential: { kind: 'service-token', clientId, clientSecret } };
}

/** The credential as the broker takes it; none for an anonymous caller. */
export function authorization({ credential }: Access): Record<string, string> {
  if (credential === undefined) return {};
  // RFC 6749 §2.3.1: form-urlencoded before they are joined. The characters of ours are not changed by it.
  const pair = credential.kind === 'service-token' && [credential.clientId, credential.clientSecret];
  return {
    authorization:
      credential.kind === 'bearer'
        ? `Bearer ${credential.token}`
        : `Basic ${btoa((pair || []).map(encodeURIComponent).join(':'))}`,
  };
}
