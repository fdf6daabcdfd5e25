import { useId } from 'preact/hooks';
import type { Query } from './route.ts';

/** The values of a form by name, without empty fields. Values of checked boxes are joined by a space. */
export type Values = Query;

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly isRequired?: boolean;
  readonly maxLength?: number;
  readonly initial?: string | undefined;
  /** A choice of one of these. */
  readonly options?: readonly (readonly [value: string, text: string])[];
  /** A choice of any number of these. */
  readonly checks?: readonly string[];
  /** Known values, to choose or to overwrite. */
  readonly known?: readonly string[];
  readonly type?: 'text' | 'datetime-local';
}

interface FieldSetProps {
  readonly fields: readonly Field[];
  /** Every field of a filter may be empty, so none is marked as optional. */
  readonly isFilter?: boolean;
}

export const FieldSet = ({ fields, isFilter = false }: FieldSetProps) => (
  <>
    {fields.map((field) => (
      <FieldInput key={field.name} field={field} isFilter={isFilter} />
    ))}
  </>
);

function FieldInput({ field, isFilter }: { readonly field: Field; readonly isFilter: boolean }) {
  const id = useId();
  const { name, label, hint, isRequired, maxLength, initial, options, checks, known, type = 'text' } = field;
  const described = hint === undefined ? undefined : `${id}-hint`;
  const about = hint !== undefined && (
    <span id={described} class="note">
      {hint}
    </span>
  );
  if (checks !== undefined)
    return (
      <fieldset class="field" aria-describedby={described}>
        <legend>{label}</legend>
        {about}
        <div class="checks">
          {checks.map((value) => (
            <label key={value}>
              <input type="checkbox" name={name} value={value} />
              <code>{value}</code>
            </label>
          ))}
        </div>
      </fieldset>
    );
  return (
    <div class="field">
      <label for={id}>
        {label}
        {!isRequired && !isFilter && options === undefined && <span class="note"> (optional)</span>}
      </label>
      {options !== undefined ? (
        <select id={id} name={name} aria-describedby={described}>
          {options.map(([value, text]) => (
            <option key={value} value={value} selected={value === initial}>
              {text}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          name={name}
          type={type}
          step={type === 'datetime-local' ? 1 : undefined}
          required={isRequired}
          // Spaces are no value: the form would leave the field out.
          pattern={isRequired && type === 'text' ? '.*\\S.*' : undefined}
          title={isRequired && type === 'text' ? 'more than spaces' : undefined}
          maxLength={maxLength}
          defaultValue={initial}
          list={known === undefined ? undefined : `${id}-known`}
          aria-describedby={described}
          spellcheck={false}
          autocomplete="off"
        />
      )}
      {known !== undefined && (
        <datalist id={`${id}-known`}>
          {known.map((value) => (
            <option key={value} value={value} />
          ))}
        </datalist>
      )}
      {about}
    </div>
  );
}

export function valuesOf(form: HTMLFormElement): Values {
  const values = new Map<string, string>();
  for (const [name, value] of new FormData(form)) {
    if (typeof value !== 'string' || value.trim() === '') continue;
    values.set(name, [values.get(name), value.trim()].filter(Boolean).join(' '));
  }
  return Object.fromEntries(values);
}
