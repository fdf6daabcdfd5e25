/** A line of the tables of query plans, which name every query and every index. */
export interface Plan<Store> {
  readonly what: string;
  readonly work: (store: Store) => Promise<unknown>;
  /** The indexes that it must go by, those of primary keys and unique columns left out where they are obvious. */
  readonly by: readonly string[];
  /** Sorting is only for what is small: few rows in the table, or few that the index leaves. */
  readonly sorts?: true;
  /** The table, or the tables, of which it may have to read every row. */
  readonly scans?: string | readonly string[];
}

/** The first page of a list and a further one. */
export const pages = <Store, Cursor>(
  what: string,
  cursor: Cursor,
  work: (store: Store, after: Cursor | undefined) => Promise<unknown>,
  by: readonly string[],
): Plan<Store>[] => [
  { what: `${what}, the first page`, work: (store) => work(store, undefined), by },
  { what: `${what}, a further page`, work: (store) => work(store, cursor), by },
];

/** Every choice of some of the filters, none and all of them included. */
export const combinationsOf = <Filters extends object>(filters: Filters): Partial<Filters>[] =>
  Object.entries(filters).reduce<Partial<Filters>[]>(
    (chosen, [name, value]) => chosen.flatMap((each) => [each, { ...each, [name]: value }]),
    [{}],
  );
