import { type ExitCode, type Terminal, UsageError } from '../command.ts';
import { type Profile, readProfile, soundProfile, writeProfile } from '../sign-in/profile.ts';
import { accessTokenOf, signInTokenOf } from '../sign-in/tokens.ts';

/** The broker that a command asks, and the credential for it. */
export interface Access {
  /** Its `ISSUER`, without a slash at its end. */
  readonly broker: string;
  readonly credential: Credential | undefined;
  /** The profile of a person who signed in, and can do so again. */
  readonly signedIn?: string;
}

export type Credential =
  | { readonly kind: 'service-token'; readonly clientId: string; readonly clientSecret: string }
  /** An access token of Auth0 or of a registered issuer. */
  | { readonly kind: 'bearer'; readonly token: () => Promise<string> }
  /** An application token of Cloudflare Access. */
  | { readonly kind: 'access'; readonly token: () => Promise<string> };

/** Environment variables. If one of them is set, no profile is read. */
const { BROKER, CLIENT_ID, CLIENT_SECRET, TOKEN, PROFILE } = {
  BROKER: 'AGENT_TICKET_BROKER',
  CLIENT_ID: 'AGENT_TICKET_CLIENT_ID',
  CLIENT_SECRET: 'AGENT_TICKET_CLIENT_SECRET',
  TOKEN: 'AGENT_TICKET_TOKEN',
  PROFILE: 'AGENT_TICKET_PROFILE',
} as const;

/** The profile of a command that names none. */
export const usualProfile = ({ environment }: Terminal): string => environment[PROFILE] || 'default';

/**
 * The named profile; else the environment, all of it; else the profile of `AGENT_TICKET_PROFILE`, or `default`. The two
 * are never mixed, so that no credential goes to a broker that it is not for.
 */
export async function findAccess(profile: string | undefined, terminal: Terminal): Promise<Access> {
  const { environment } = terminal;
  const isSet = [BROKER, CLIENT_ID, CLIENT_SECRET, TOKEN].some((name) => environment[name]);
  if (profile === undefined && isSet) return accessOf(fromEnvironment(environment), '', terminal);
  const name = profile ?? usualProfile(terminal);
  const found = await readProfile(name, terminal);
  if (found !== undefined) return accessOf(found, name, terminal);
  throw new UsageError(
    profile === undefined && name === 'default'
      ? `No broker is named. Sign in by: agent-ticket login. Or set ${BROKER}, ${CLIENT_ID} and ${CLIENT_SECRET}, and keep them by: agent-ticket profiles save default`
      : `There is no profile ${name}. Sign in by: agent-ticket login --profile ${name}. Or set ${BROKER} and a credential, and keep them by: agent-ticket profiles save ${name}`,
  );
}

/** `agent-ticket profiles save`: keeps the broker and credential of the environment in a file for its owner alone. */
export async function saveProfile(name: string, terminal: Terminal): Promise<ExitCode> {
  const path = await writeProfile(name, fromEnvironment(terminal.environment), terminal);
  terminal.err(`Kept in ${path}. Use it by --profile ${name}, without the AGENT_TICKET_ variables.\n`);
  return 0;
}

function fromEnvironment(environment: Terminal['environment']): Profile {
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
  return soundProfile(
    {
      broker,
      ...(token !== undefined && { token }),
      ...(clientId !== undefined && { client_id: clientId, client_secret: clientSecret }),
    },
    BROKER,
  );
}

/** Tokens are read and renewed when a request needs them. */
export function accessOf(profile: Profile, name: string, terminal: Terminal): Access {
  const { broker } = profile;
  if ('token' in profile) return { broker, credential: { kind: 'bearer', token: async () => profile.token } };
  if ('sign_in' in profile) {
    const token = signInTokenOf(name, profile.sign_in, terminal);
    return { broker, credential: { kind: 'bearer', token }, signedIn: name };
  }
  if ('access' in profile)
    return { broker, credential: { kind: 'access', token: accessTokenOf(broker, terminal) }, signedIn: name };
  if (!('client_id' in profile)) return { broker, credential: undefined };
  const { client_id: clientId, client_secret: clientSecret } = profile;
  return { broker, credential: { kind: 'service-token', clientId, clientSecret } };
}

/** The credential as the broker takes it; none for an anonymous caller. */
export async function authorization({ credential }: Access): Promise<Record<string, string>> {
  switch (credential?.kind) {
    case undefined:
      return {};
    case 'bearer':
      return { authorization: `Bearer ${await credential.token()}` };
    case 'access': {
      const token = await credential.token();
      // Access in front of a broker reads the first header, and sets the second itself. A broker without Access reads
      // the second.
      return { 'cf-access-token': token, 'cf-access-jwt-assertion': token };
    }
    case 'service-token': {
      // RFC 6749 §2.3.1: both parts are form-urlencoded before they are joined. The characters of service tokens stay
      // the same.
      const pair = [credential.clientId, credential.clientSecret].map(encodeURIComponent);
      return { authorization: `Basic ${btoa(pair.join(':'))}` };
    }
  }
}
