/**
 * One spelling per JSON value (RFC 8785): members sorted by UTF-16 code units, no white space, numbers and strings as
 * ECMAScript writes them. Throws a `TypeError` for what is no JSON value. Members that are `undefined` are left out.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    // The default order of `sort` is that of code units, which RFC 8785 §3.2.3 asks for; no locale has a say.
    const texts = members
      .map(([name, member]) => ({ name, text: `${JSON.stringify(name)}:${canonicalJson(member)}` }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return `{${texts.map(({ text }) => text).join(',')}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError('not a JSON number');
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`${typeof value} is not a JSON value`);
  return text;
}
