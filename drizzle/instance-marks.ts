/**
 * Marks in the table `rate_windows`: one row for each instance name that an account got a ticket for. The names of an
 * account are one range of keys, so that they are counted by the index. A line break is in no account.
 */
export interface InstanceMark {
  /** Whose, as in the key of the account's own counter. */
  readonly account: string;
  /** `<agent>/<instance>`. */
  readonly name: string;
  /** The most names with a mark at a time. */
  readonly limit: number;
  /** How long a mark lasts, in ms, from the first ticket on, whatever came since. */
  readonly windowMs: number;
}

/** The range of all keys of this kind. */
export const MARKS = { from: 'instance:', to: 'instance;' };

export const keysOf = ({ account, name }: Pick<InstanceMark, 'account' | 'name'>) => ({
  mark: `${MARKS.from}${account}\n${name}`,
  from: `${MARKS.from}${account}\n`,
  /** The character after the line break. */
  to: `${MARKS.from}${account}\v`,
  /** Counts names that were refused, so that they leave one audit event in a window. */
  refusals: `${MARKS.from}${account}`,
});

/** Whether the name has a mark. */
export type MarkResult =
  | { readonly isWithin: true }
  | {
      readonly isWithin: false;
      /** When the account's oldest mark ends, in ms. */
      readonly freeAt: number;
      /** Refusals of this kind in this window, with this one. */
      readonly refusals: number;
    };
