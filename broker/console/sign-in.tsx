import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { addressOf } from './api.ts';
import type { Caller } from './shapes.ts';

/** Who is signed in, by `GET /me`. */
export type Me = Caller;

/** Before a sign-in: may do nothing. */
export const NOBODY: Me = {
  ...{ principal: '', kind: 'user', issuer: '', method: '', tier: 'free', permissions: [], groups: [] },
  ...{ agents: null, locked: false, expires_at: null, sources: [] },
};

const Signed = createContext<Me>(NOBODY);
export const SignedIn = Signed.Provider;
export const useMe = (): Me => useContext(Signed);

/**
 * Whether the person holds a permission, and no lock prevents its use. The broker decides. The console hides the
 * buttons that the broker would refuse.
 */
export const useMay = (): ((permission: string) => boolean) => {
  const { permissions, locked } = useMe();
  return (permission) => !locked && permissions.includes(permission);
};

/** Back to the present view. */
export const signInUrl = (): string =>
  addressOf('/auth/login', { return_to: location.pathname + location.hash });

export function SignInPage() {
  return (
    <main class="gateway">
      <h1>Broker console</h1>
      <p>
        Operators see here who is connected to which agent, end sessions, and manage rights. The console has
        no password of its own: you sign in at the broker.
      </p>
      <p>
        <a class="button" href={signInUrl()}>
          Sign in
        </a>
      </p>
    </main>
  );
}
