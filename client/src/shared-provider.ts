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
   * Called with each refusal that a sign-in can resolve, after `refusal` has changed. If several components use the same
   * options, only the function of the last one is called. An example:
   * `({ signInUrl }) => signInUrl && location.assign(signInUrl)`.
   */
  readonly onSignIn?: (refusal: SignInRequired) => void;
}

/** Time for which an unused provider stays: a component that suspends, or is loaded again, uses it again. */
const UNUSED_MS = 60_000;

interface SharedProvider {
  readonly provider: TicketProvider;
  /** Keeps the provider until the returned function is called. */
  use(): () => void;
}

interface Entry extends SharedProvider {
  /** The functions of the last caller, because a framework makes new functions with each render. */
  latest: SharedTicketOptions;
}

const entries = new Map<string, Entry>();

/**
 * The only provider of a page for these options. Functions in the options make no difference. A server renders for many
 * people, so each call on a server gets a new provider, which sends no request.
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
    // Called later, so that an exception in the app's function cannot stop the queue of mints.
    queueMicrotask(() => entry.latest.onSignIn?.(refusal));
  });
  expire();
  return entry;
}
