import type { ComponentChild } from 'preact';
import { useState } from 'preact/hooks';
import type { Asked, Outcome } from './api.ts';
import { Fault } from './fault.tsx';
import { type Loaded, useLoaded } from './load.ts';
import type { Page } from './shapes.ts';
import { timeOfDay } from './words.tsx';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => ComponentChild;
  /** Whether the column has buttons; its title is then for screen readers alone. */
  readonly actions?: boolean;
}

interface ListProps<Row> {
  /** The content of the table, for screen readers. */
  readonly label: string;
  readonly query?: Asked['query'];
  readonly load: (asked: Asked) => Promise<Outcome<Page<Row>>>;
  readonly columns: readonly Column<Row>[];
  readonly keyOf: (row: Row) => string;
  /** Shown in place of a table without rows. */
  readonly empty: ComponentChild;
  /** Shown above the table, made of its rows. */
  readonly above?: (rows: readonly Row[]) => ComponentChild;
  /** The first page, where the view has loaded it already. `load` then gets the later pages. */
  readonly first?: Loaded<Page<Row>>;
  /** The page is loaded again after this time. */
  readonly everyMs?: number;
  /** Another number loads the page again, after a change. */
  readonly version?: number;
}

/** Rows of a page: on a phone each of them is a card. */
export const rowsOfPage = (): number => (matchMedia('(max-width: 44rem)').matches ? 20 : 50);

/**
 * A list of the API, page by page. A page replaces the one before. The API finds the next page by key, so the last of
 * a million rows costs as much as the first.
 */
export function List<Row>({
  label,
  query = {},
  load,
  columns,
  keyOf,
  empty,
  above,
  first,
  everyMs,
  version = 0,
}: ListProps<Row>) {
  const about = `${label} ${JSON.stringify(query)}`;
  const [held, setHeld] = useState<{ about: string; cursors: readonly string[] }>({ about, cursors: [] });
  // Cursors of another list mean nothing here.
  const cursors = held.about === about ? held.cursors : [];
  const setCursors = (next: readonly string[]): void => setHeld({ about, cursors: next });
  const cursor = cursors.at(-1);
  const given = cursor === undefined ? first : undefined;
  const asked = useLoaded<Page<Row>>(
    given === undefined ? JSON.stringify([about, cursor]) : undefined,
    (signal) => load({ query: { ...query, limit: rowsOfPage(), cursor }, signal }),
    everyMs,
    version,
  );
  const { value, failure, at, reload } = given ?? asked;
  const next = value?.next_cursor ?? null;
  return (
    <div class="list" aria-busy={value === undefined && failure === undefined}>
      {failure !== undefined && (
        <>
          <Fault failure={failure} retry={reload} />
          {value !== undefined && at !== undefined && (
            <p class="warning">The rows below are as of {timeOfDay(at)} and may have changed.</p>
          )}
        </>
      )}
      {value === undefined && failure === undefined && <p class="note">Loading …</p>}
      {value !== undefined && value.items.length === 0 && (
        <div class="empty">
          {next === null ? empty : <p>No row so far matches. Continue with the next page.</p>}
        </div>
      )}
      {value !== undefined && above?.(value.items)}
      {value !== undefined && value.items.length > 0 && (
        <table role="table" aria-label={label}>
          <thead role="rowgroup">
            <tr role="row">
              {columns.map(({ title, actions }) => (
                <th key={title} role="columnheader" scope="col">
                  {actions ? <span class="visually-hidden">{title}</span> : title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {value.items.map((row) => (
              <tr key={keyOf(row)} role="row">
                {columns.map(({ title, cell, actions }) => (
                  <td
                    key={title}
                    role="cell"
                    data-title={actions ? '' : title}
                    class={actions ? 'row-actions' : ''}
                  >
                    <div>{cell(row)}</div>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {value !== undefined && (
        <div class="pages">
          {(next !== null || cursors.length > 0) && (
            <nav aria-label={`Pages of ${label}`}>
              <button
                type="button"
                class="plain"
                disabled={cursors.length === 0}
                onClick={() => setCursors(cursors.slice(0, -1))}
              >
                Previous page
              </button>
              <span>Page {cursors.length + 1}</span>
              <button
                type="button"
                class="plain"
                disabled={next === null}
                onClick={() => next !== null && setCursors([...cursors, next])}
              >
                Next page
              </button>
            </nav>
          )}
          {at !== undefined && (
            <span class="note">
              {everyMs === undefined ? 'As of' : 'Live, as of'} {timeOfDay(at)}
            </span>
          )}
          {everyMs === undefined && (
            <button type="button" class="link" onClick={reload}>
              Refresh
            </button>
          )}
        </div>
      )}
    </div>
  );
}
