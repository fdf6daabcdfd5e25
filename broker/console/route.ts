import { useEffect, useState } from 'preact/hooks';

/**
 * The view and its filters, as in `#sessions?agent=counter`. The fragment keeps the filters out of the logs of
 * servers.
 */
export interface Route {
  readonly view: string;
  readonly query: Query;
}

export type Query = Readonly<Record<string, string>>;

function readRoute(hash: string): Route {
  const [view = '', search = ''] = hash.replace(/^#/, '').split('?');
  return { view, query: Object.fromEntries(new URLSearchParams(search)) };
}

/** The address of a view. Filters that are empty are left out. */
export function hrefOf(
  view: string,
  query: Readonly<Record<string, string | null | undefined>> = {},
): string {
  const given = Object.entries(query).flatMap(([name, value]) => (value ? [[name, value]] : []));
  return given.length === 0 ? `#${view}` : `#${view}?${new URLSearchParams(given)}`;
}

export const navigate = (view: string, query: Query = {}): void => {
  location.hash = hrefOf(view, query);
};

export function useRoute(): Route {
  const [route, setRoute] = useState(() => readRoute(location.hash));
  useEffect(() => {
    const follow = (): void => setRoute(readRoute(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return route;
}
