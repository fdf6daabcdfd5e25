import { createTicketProvider, type TicketProvider, type TicketProviderOptions } from './provider.ts';

/** A provider without a user is kept so long: a component that suspends, or is loaded anew, comes back to it. */
const UNUSED_MS = 60_000;

interface SharedProvider {
  readonly provider: TicketProvider;
  /** Keeps the provider until the returned function is called. */
  use(): () => void;
}

interface Entry extends SharedProvider {
  /** Of the last caller: a framework makes new functions with each render. */
  credential: TicketProviderOptions['credential'];
}

const entries = new Map<string, Entry>();

/** What decides whether two options mean one provider: everything but functions. */
export const nameOf = (options: TicketProviderOptions): string => JSON.stringify(options);

/** The one provider of a page for these options. */
export function shareProvider(options: TicketProviderOptions): SharedProvider {
  const name = nameOf(options);
  const known = entries.get(name);
  if (known !== undefined) {
    known.credential = options.credential;
    return known;
  }
  const entry = createEntry(name, options);
  entries.set(name, entry);
  return entry;
}

function createEntry(name: string, options: TicketProviderOptions): Entry {
  let users = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expire = (): void => {
    timer = setTimeout(() => entries.delete(name), UNUSED_MS);
  };
  const entry: Entry = {
    credential: options.credential,
    provider: createTicketProvider({
      ...options,
      ...(options.credential.kind === 'access-token' && {
        credential: {
          kind: 'access-token',
          get: async (how) =>
            entry.credential.kind === 'access-token' ? entry.credential.get(how) : undefined,
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
  expire();
  return entry;
}
