import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import * as z from 'zod';
import { type Terminal, UsageError } from '../command.ts';

/** The issuer and application of a sign-in, and its tokens. */
const SignIn = z.strictObject({
  issuer: z.string(),
  /** The address at which the issuer is reached; left out: `issuer`. */
  issuer_url: z.string().optional(),
  client_id: z.string(),
  audience: z.string().optional(),
  access_token: z.string(),
  expires_at: z.iso.datetime(),
  refresh_token: z.string().optional(),
});
export type SignIn = z.infer<typeof SignIn>;

/** The content of a profile file: the broker, and the one credential for it. */
const Profile = z.union([
  z.strictObject({ broker: z.string(), client_id: z.string(), client_secret: z.string() }),
  z.strictObject({ broker: z.string(), token: z.string() }),
  z.strictObject({ broker: z.string(), sign_in: SignIn }),
  /** cloudflared keeps the token of Access, and renews it. */
  z.strictObject({ broker: z.string(), access: z.literal('cloudflared') }),
  z.strictObject({ broker: z.string() }),
]);
export type Profile = z.infer<typeof Profile>;

/** Any other address would expose the credential to the network. */
const SAFE = /^(https:|http:\/\/(localhost|127(\.\d+){3}|\[::1\])(:|$))/;
const PRINTABLE = /^[\u0021-\u007e]+$/;
export const PROFILE_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** The file of a profile, in the user's configuration folder. */
export function profileFile(name: string): string {
  if (PROFILE_NAME.test(name)) return `${name}.json`;
  throw new UsageError(`${name} is not a valid name of a profile. Use letters, digits, - and _.`);
}

function parseSafe(text: string): URL | undefined {
  const url = URL.parse(text);
  const isSafe =
    url !== null && SAFE.test(url.origin) && `${url.search}${url.hash}${url.username}${url.password}` === '';
  return isSafe ? url : undefined;
}

/** Whether an address is https, or http on loopback. */
export const isSafeAddress = (text: string): boolean => parseSafe(text) !== undefined;

/** Throws a `UsageError` for an address that is not https, or http on loopback. */
export function safeAddress(text: string, source: string): URL {
  const url = parseSafe(text);
  if (url !== undefined) return url;
  throw new UsageError(`The address in ${source} must be https, or http on loopback, without a query.`);
}

/**
 * The same profile, with its addresses in the form that is compared. Throws a `UsageError` for a damaged or unsafe
 * profile.
 */
export function soundProfile(content: unknown, source: string): Profile {
  const read = Profile.safeParse(content);
  if (!read.success)
    throw new UsageError(`${source} is damaged. Replace it by: agent-ticket login, or profiles save`);
  const url = safeAddress(read.data.broker, source);
  const { sign_in: signIn } = { sign_in: undefined, ...read.data };
  const texts = [...Object.values(read.data), ...Object.values(signIn ?? {})];
  if (texts.some((value) => typeof value === 'string' && !PRINTABLE.test(value)))
    throw new UsageError(
      `${source} contains a space or a line break, which no address and no credential has.`,
    );
  // A broker that is mounted in another worker is below a path.
  return { ...read.data, broker: url.origin + url.pathname.replace(/\/$/, '') };
}

export async function readProfile(name: string, terminal: Terminal): Promise<Profile | undefined> {
  const text = await terminal.readPrivate(profileFile(name));
  return text === undefined ? undefined : soundProfile(parseJson(text), `the profile ${name}`);
}

/** Writes a profile for its owner alone, when no other process holds its lock. Answers the path of its file. */
export const writeProfile = (name: string, profile: Profile, terminal: Terminal): Promise<string> =>
  terminal.lockPrivate(profileFile(name), () => rewriteProfile(name, profile, terminal));

/** The same, for a caller that holds the lock of the file. */
export const rewriteProfile = (name: string, profile: Profile, terminal: Terminal): Promise<string> =>
  terminal.writePrivate(profileFile(name), `${JSON.stringify(profile, null, 2)}\n`);

/** Names of the profiles that exist. */
export const listProfiles = async (terminal: Terminal): Promise<readonly string[]> =>
  (await terminal.listPrivate())
    .map((file) => file.replace(/\.json$/, ''))
    .filter((name) => PROFILE_NAME.test(name));
