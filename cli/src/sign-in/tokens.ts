import { decodeJwt } from 'jose';
import { type Terminal, UsageError } from '../command.ts';
import { renewSignIn } from './issuer.ts';
import { profileFile, readProfile, rewriteProfile, type SignIn } from './profile.ts';

/** Tokens are renewed this long before they expire: clocks differ, and a request takes time. */
const EARLY_MS = 60_000;

/** The access token of a sign-in, renewed when it expires soon. */
export function signInTokenOf(name: string, kept: SignIn, terminal: Terminal): () => Promise<string> {
  let held = kept;
  return async () => {
    if (!isFresh(held, terminal)) held = await renewed(name, terminal);
    return held.access_token;
  };
}

const isFresh = ({ expires_at: at }: SignIn, terminal: Terminal): boolean =>
  Date.parse(at) - EARLY_MS > terminal.now();

/** An issuer may take a second use of one refresh token for a theft (RFC 9700 §4.14.2), so one process renews for all. */
const renewed = (name: string, terminal: Terminal): Promise<SignIn> =>
  terminal.lockPrivate(profileFile(name), async () => {
    const profile = await readProfile(name, terminal);
    if (profile === undefined || !('sign_in' in profile))
      throw new UsageError(`The profile ${name} was changed. Repeat the command.`);
    const { sign_in: signIn } = profile;
    if (isFresh(signIn, terminal)) return signIn;
    const again = `agent-ticket login --profile ${name}`;
    if (signIn.refresh_token === undefined)
      throw new UsageError(`The sign-in has ended. Sign in again: ${again}`, { code: 'SIGNED_OUT' });
    const next = await renewSignIn(signIn, signIn.refresh_token, again, terminal);
    await rewriteProfile(name, { ...profile, sign_in: next }, terminal);
    return next;
  });

/** The token that cloudflared keeps for the broker's hostname, requested again when it expires soon. */
export function accessTokenOf(broker: string, terminal: Terminal): () => Promise<string> {
  let held = '';
  let endMs = 0;
  return async () => {
    if (endMs - EARLY_MS > terminal.now()) return held;
    held = (await terminal.runCloudflared(['access', 'token', `--app=${broker}`])).trim();
    if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(held))
      throw new UsageError('cloudflared has no token for this broker. Sign in: agent-ticket login --access', {
        code: 'SIGNED_OUT',
      });
    endMs = (decodeJwt(held).exp ?? 0) * 1000;
    return held;
  };
}
