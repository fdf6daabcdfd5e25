import { type Field, FieldSet, valuesOf } from './fields.tsx';
import { navigate, type Query } from './route.ts';

/** The filters of an address that the list supports, with valid values. {@link Filter} names the others. */
export const knownFilters = (fields: readonly Field[], query: Query): Query =>
  Object.fromEntries(Object.entries(query).filter(([name, value]) => isKnown(fields, name, value)));

function isKnown(fields: readonly Field[], name: string, value: string): boolean {
  const field = fields.find((each) => each.name === name);
  if (field?.type === 'datetime-local') return !Number.isNaN(Date.parse(value));
  return field !== undefined && (field.options?.some(([known]) => known === value) ?? true);
}

/** The filter of a list, kept in the address of the view: a link to it shows the same. */
export function Filter({
  view,
  query,
  fields,
}: {
  readonly view: string;
  readonly query: Query;
  readonly fields: readonly Field[];
}) {
  const filled = fields.map((field) => ({ ...field, initial: shownValue(field, query[field.name]) }));
  const known = Object.keys(knownFilters(fields, query));
  const unknown = Object.keys(query).filter((name) => !known.includes(name));
  const isUsed = known.length > 0;
  // On a phone the list comes first.
  const isOpen = isUsed || matchMedia('(min-width: 44rem)').matches;
  return (
    <>
      {unknown.length > 0 && (
        <p class="warning" role="alert">
          The list has no such filter, or not that value: {unknown.join(', ')}. It does not apply.{' '}
          <button type="button" class="link" onClick={() => navigate(view)}>
            Clear filters
          </button>
        </p>
      )}
      <details key={JSON.stringify(query)} class="filter" open={isOpen}>
        <summary>{isUsed ? `Filter: ${known.map((name) => query[name]).join(', ')}` : 'Filter'}</summary>
        <search>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              const values = Object.entries(valuesOf(event.currentTarget)).map(([name, value]) => {
                const isTime = fields.find((field) => field.name === name)?.type === 'datetime-local';
                return [name, isTime ? new Date(value).toISOString() : value];
              });
              navigate(view, Object.fromEntries(values));
            }}
          >
            <FieldSet fields={filled} isFilter />
            <div class="actions">
              <button type="submit">Show</button>
              {isUsed && (
                <button type="button" class="plain" onClick={() => navigate(view)}>
                  Clear
                </button>
              )}
            </div>
          </form>
        </search>
      </details>
    </>
  );
}

/** A moment as the field has it: in the person's own time, without a zone. */
function shownValue({ type }: Field, value: string | undefined): string | undefined {
  if (type !== 'datetime-local' || value === undefined || Number.isNaN(Date.parse(value))) return value;
  const local = new Date(Date.parse(value));
  local.setMinutes(local.getMinutes() - local.getTimezoneOffset());
  return local.toISOString().slice(0, 19);
}
