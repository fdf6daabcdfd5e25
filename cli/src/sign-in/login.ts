import type { Caller, paths } from '@agent-ticket/broker/src/openapi/generated-types.ts';
import { type Access, accessOf, usualProfile } from '../api/access.ts';
import { dataOf, type Json, openClient } from '../api/client.ts';
import { column } from '../api/columns.ts';
import { json, plain } from '../api/plain-text.ts';
import { showList } from '../api/show.ts';
import { type ExitCode, type Terminal, UsageError } from '../command.ts';
import { type Issuer, revokeSignIn, signInByBrowser, signInByDevice } from './issuer.ts';
import {
  listProfiles,
  type Profile,
  profileFile,
  readProfile,
  safeAddress,
  soundProfile,
  writeProfile,
} from './profile.ts';

export interface LoginOptions {
  readonly profile?: string | undefined;
  readonly broker?: string | undefined;
  readonly issuer?: string | undefined;
  readonly issuerUrl?: string | undefined;
  readonly clientId?: string | undefined;
  readonly audience?: string | undefined;
  /** Through Cloudflare Access. */
  readonly access?: boolean | undefined;
  readonly device?: boolean | undefined;
  /** False: the address is printed alone. */
  readonly browser: boolean;
  /** 0: any free one. */
  readonly callbackPort: number;
  readonly json: boolean;
}

/**
 * `agent-ticket login`: signs a person in and keeps the tokens in a profile, once the broker has accepted them.
 * Options that are left out come from the profile, so signing in again needs only its name.
 */
export async function login(options: LoginOptions, terminal: Terminal): Promise<ExitCode> {
  const name = options.profile ?? usualProfile(terminal);
  const before = await readProfile(name, terminal);
  if (before !== undefined && ('client_secret' in before || 'token' in before))
    throw new UsageError(
      `The profile ${name} holds a credential that signing in cannot restore. Name another profile by --profile, or delete this one by: agent-ticket logout --profile ${name}`,
    );
  const profile = await signedIn(options, before, terminal);
  // The token is used as it came: one that expires soon would be renewed from the earlier profile.
  const { broker } = profile;
  const given = 'sign_in' in profile ? { broker, token: profile.sign_in.access_token } : profile;
  const caller = await callerOf(accessOf(given, name, terminal), terminal);
  const path = await writeProfile(name, profile, terminal);
  if (options.json) terminal.out(`${json({ profile: name, ...caller })}\n`);
  else terminal.out(`Signed in as ${plain(caller.email ?? caller.principal)}.\n`);
  terminal.err(
    `Kept in ${path}. Use it by --profile ${name}; end it by: agent-ticket logout --profile ${name}\n`,
  );
  if ('sign_in' in profile && profile.sign_in.refresh_token === undefined)
    terminal.err(
      `The issuer gives no refresh token: the sign-in lasts until ${profile.sign_in.expires_at}.\n`,
    );
  return 0;
}

async function signedIn(
  options: LoginOptions,
  before: Profile | undefined,
  terminal: Terminal,
): Promise<Profile> {
  const broker = options.broker ?? before?.broker ?? terminal.environment.AGENT_TICKET_BROKER;
  if (!broker) throw new UsageError('Name the broker by --broker, which is its ISSUER.');
  const sound = soundProfile({ broker }, '--broker');
  const known = before !== undefined && 'sign_in' in before ? before.sign_in : undefined;
  const isAccess =
    options.access ?? (options.issuer === undefined && before !== undefined && 'access' in before);
  if (isAccess) {
    if (options.issuer !== undefined || options.device === true)
      throw new UsageError('--access cannot be combined with --issuer or --device.');
    await terminal.runCloudflared(['access', 'login', sound.broker]);
    return { ...sound, access: 'cloudflared' };
  }
  const issuer = options.issuer === undefined ? known?.issuer : safeAddress(options.issuer, '--issuer').href;
  // Values of one issuer are not used for another.
  const kept = issuer === known?.issuer ? known : undefined;
  const clientId = options.clientId ?? kept?.client_id;
  if (issuer === undefined || clientId === undefined)
    throw new UsageError(
      'Name the issuer and the application for the command line by --issuer and --client-id, or use --access.',
    );
  const [audience, issuerUrl] = [options.audience ?? kept?.audience, options.issuerUrl ?? kept?.issuer_url];
  const asked: Issuer = {
    ...{ issuer, client_id: clientId },
    ...(audience !== undefined && { audience }),
    ...(issuerUrl !== undefined && { issuer_url: loopbackOrigin(issuerUrl) }),
  };
  const given = { port: options.callbackPort, opens: options.browser };
  const signIn =
    options.device === true
      ? await signInByDevice(asked, terminal)
      : await signInByBrowser(asked, given, terminal);
  if (signIn.access_token.split('.').length !== 3)
    throw new UsageError(
      'The issuer gave a token that is not a JWT, so the broker cannot verify it. Name the API of the broker by --audience.',
    );
  return soundProfile({ ...sound, sign_in: signIn }, 'the sign-in');
}

/**
 * In development the issuer is on this machine. Another address would receive the codes and tokens of the real
 * issuer.
 */
function loopbackOrigin(text: string): string {
  const url = safeAddress(text, '--issuer-url');
  if (url.protocol === 'http:') return url.origin;
  throw new UsageError('--issuer-url is for development: http on loopback.');
}

/** The principal of the new credential. A credential that the broker refuses is not kept. */
async function callerOf(access: Access, terminal: Terminal): Promise<Pick<Caller, 'principal' | 'email'>> {
  try {
    const { principal, email } = await dataOf(openClient<paths>(access, terminal).GET('/me'));
    return { principal, ...(email !== undefined && { email }) };
  } catch (error) {
    if (!(error instanceof UsageError) || error.facts.status !== 401) throw error;
    throw new UsageError(
      `You are signed in, but the broker refuses the token: compare the issuer and --audience with the settings of the broker. ${error.message}`,
      error.facts,
    );
  }
}

/** `agent-ticket logout`: ends the sign-in of a profile, and deletes it. 1 where the issuer was not reached. */
export async function logout(profile: string | undefined, terminal: Terminal): Promise<ExitCode> {
  const name = profile ?? usualProfile(terminal);
  return terminal.lockPrivate(profileFile(name), async () => {
    const kept = await readProfile(name, terminal);
    if (kept === undefined)
      throw new UsageError(`There is no profile ${name}. See: agent-ticket profiles list`);
    // The profile is deleted first, so that it cannot be used when the issuer does not answer.
    await terminal.deletePrivate(profileFile(name));
    terminal.err(`The profile ${name} is deleted.\n`);
    if ('client_id' in kept)
      terminal.err('Its service token is valid until you end it: agent-ticket service-tokens delete\n');
    if ('access' in kept)
      terminal.err(
        `cloudflared keeps its own token. Sign out at ${kept.broker}/cdn-cgi/access/logout, and delete its files in ~/.cloudflared.\n`,
      );
    if (!('sign_in' in kept) || kept.sign_in.refresh_token === undefined) return 0;
    try {
      const isRevoked = await revokeSignIn(kept.sign_in, kept.sign_in.refresh_token, terminal);
      terminal.err(
        isRevoked
          ? `The sign-in at ${kept.sign_in.issuer} has ended. The last access token ends at ${kept.sign_in.expires_at}.\n`
          : `${kept.sign_in.issuer} cannot revoke tokens: end the sign-in there.\n`,
      );
      return 0;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      terminal.err(`${error.message} The sign-in was not ended there.\n`);
      return 1;
    }
  });
}

/** `agent-ticket profiles list`: names, brokers and kinds of credential. Shows no secret. */
export async function profilesList(isJson: boolean, terminal: Terminal): Promise<ExitCode> {
  const rows: Json[] = [];
  for (const name of await listProfiles(terminal)) {
    try {
      const profile = await readProfile(name, terminal);
      if (profile !== undefined) rows.push(rowOf(name, profile));
    } catch (error) {
      // A profile that other users can read is named, not used.
      if (!(error instanceof UsageError)) throw error;
      if (isJson) rows.push({ profile: name, fault: error.message });
      else terminal.err(`${name}: ${error.message}\n`);
    }
  }
  await showList([rows], PROFILE_COLUMNS, isJson, terminal);
  return 0;
}

const PROFILE_COLUMNS = [
  column('PROFILE', 'profile'),
  column('BROKER', 'broker'),
  column('CREDENTIAL', 'credential'),
  column('ISSUER', 'issuer', { least: 12, spare: 1 }),
];

const rowOf = (profile: string, kept: Profile) => ({
  ...{ profile, broker: kept.broker, credential: kindOf(kept) },
  ...('sign_in' in kept && { issuer: kept.sign_in.issuer }),
});

function kindOf(kept: Profile): string {
  if ('client_id' in kept) return kept.client_id;
  if ('sign_in' in kept) return 'sign-in';
  if ('access' in kept) return 'cloudflared';
  return 'token' in kept ? 'token' : 'none';
}
