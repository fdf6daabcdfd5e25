import { resolveOptions } from './options.ts';
import {
  createTicketProvider,
  SignInRequired,
  type TicketProvider,
  type TicketProviderOptions,
} from './provider.ts';

/** Options of a framework's entry. */
export interface SharedTicketOptions extends TicketProviderOptions {
  /**
   * Called with each refusal that a sign-in resolves, after `refusal` has changed; of the last caller with these options
   * only. An example: `({ signInUrl }) => signInUrl && location.assign(signInUrl)`.
   */
  readonly onSignIn?: (refusal: SignInRequired) => void;
}

/** A provider without a user is kept so long: a component that suspends, or is loaded anew, comes back to it. */
const UNUSED_MS = 60_000;

interface SharedProvider {
  readonly provider: TicketProvider;
  /** Keeps the provider until the returned function is called. */
  use(): () => void;
}

interface Entry extends SharedProvider {
  /** Of the last caller: a framework makes new functions with each render. */
  latest: SharedTicketOptions;
}

const entries = new Map<string, Entry>();

/**
 * The one provider of a page for these options; functions make no difference. A server renders for many people, so there
 * each call gets a provider of its own, which asks nothing.
 */
export function shareProvider(options: SharedTicketOptions): SharedProvider {
  if (resolveOptions(options).runsIn === 'server-render')
    return { provider: createTicketProvider(options), use: () => () => {} };
  const name = JSON.stringify(options);
  const known = entries.get(name);
  if (known !== undefined) {
    known.latest = options;
    return known;
  }
  const entry = createEntry(name, options);
  entries.set(name, entry);
  return entry;
}

function createEntry(name: string, options: SharedTicketOptions): Entry {
  let users = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expire = (): void => {
    timer = setTimeout(() => entries.delete(name), UNUSED_MS);
  };
  const entry: Entry = {
    latest: options,
    provider: createTicketProvider({
      ...options,
      ...(options.credential.kind === 'access-token' && {
        credential: {
          kind: 'access-token',
          get: async (how) => {
            const { credential } = entry.latest;
            return credential.kind === 'access-token' ? credential.get(how) : undefined;
          },
        },
      }),
    }),
    use() {
      users += 1;
      clearTimeout(timer);
      return () => {
        users -= 1;
        if (users === 0) expire();
      };
    },
  };
  const { provider } = entry;
  provider.subscribe(() => {
    const { refusal } = provider;
    if (!(refusal instanceof SignInRequired)) return;
    // Later, so that an exception of the app's cannot stop the queue of mints.
    queueMicrotask(() => entry.latest.onSignIn?.(refusal));
  });
  expire();
  return entry;
}
