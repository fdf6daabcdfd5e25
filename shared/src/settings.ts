import * as z from 'zod';

export const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname);

/** An issuer or base address: https, or http on loopback; nothing behind the path. Compared as text afterwards. */
export const BaseUrl = z
  .url({ protocol: /^https?$/ })
  .max(512)
  .refine((text) => {
    if (!URL.canParse(text)) return false;
    const url = new URL(text);
    // Checked in the text, because the text is compared afterwards: a parsed URL drops an empty query or user.
    const bare = !/[?#]|\/\/[^/]*@/.test(text);
    return bare && (url.protocol === 'https:' || isLoopback(url.hostname));
  }, 'must be https (http on loopback only) without query, fragment or user');

const isOrigin = (url: string): boolean => URL.canParse(url) && new URL(url).pathname === '/';

/** The address of a whole hostname. A path would be dropped where ours are put below it. */
export const OriginUrl = BaseUrl.refine(isOrigin, 'must be an origin, without a path');

/** Comma-separated list; empty text is the empty list. */
export const List = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

/** Origins in the exact form in which browsers send them (RFC 6454 §6.2). */
export const Origins = List.refine(
  (origins) =>
    origins.every(
      (origin) => !origin.includes('*') && URL.canParse(origin) && new URL(origin).origin === origin,
    ),
  'must be exact origins, comma-separated',
);

export const Mode = z.enum(['production', 'development']);

/** Shorter names resemble those of other programs too often: `MODE` and `NODE`. */
const MIN_LENGTH = 6;
/** From this length on two slips are forgiven. */
const LONG_LENGTH = 8;

/** The name that was likely meant by one with a letter or two wrong, or two letters in each other's place. */
function likelyName(name: string, names: readonly string[]): string | undefined {
  const found = names
    .filter((known) => known.length >= MIN_LENGTH)
    .map((known) => ({ known, wrong: slips(name, known) }))
    .filter(({ known, wrong }) => wrong <= (Math.min(name.length, known.length) < LONG_LENGTH ? 1 : 2))
    .toSorted((one, other) => one.wrong - other.wrong);
  return found[0]?.known;
}

/** The restricted Damerau-Levenshtein distance: letters to add, drop, change, or swap with the next. */
function slips(one: string, other: string): number {
  const rows = [Array.from({ length: other.length + 1 }, (_, index) => index)];
  for (const [at, letter] of [...one].entries()) {
    const [above = [], before = []] = [rows.at(-1), rows.at(-2)];
    const row = [at + 1];
    for (const [index, wanted] of [...other].entries()) {
      const isSwapped = letter === other[index - 1] && wanted === one[at - 1];
      row.push(
        Math.min(
          (row[index] ?? 0) + 1,
          (above[index + 1] ?? 0) + 1,
          (above[index] ?? 0) + (letter === wanted ? 0 : 1),
          isSwapped ? (before[index - 1] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    rows.push(row);
  }
  return rows.at(-1)?.at(-1) ?? 0;
}

/**
 * Reads the settings of a process: the string members of a Worker's env or of `process.env`. Throws an `Error` that
 * names every missing, malformed or misspelt setting and no value, so that nothing starts half configured. The env is
 * shared with other programs, so only a name that resembles a setting must be one: it begins like one, or a slip may
 * have made it of one.
 *
 * @param beginnings of the names that nothing but these settings has.
 */
export function readSettings<T>(who: string, schema: z.ZodType<T>, env: object, beginnings: RegExp): T {
  const names = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  const isOurs = (name: string): boolean =>
    names.includes(name) || beginnings.test(name) || likelyName(name, names) !== undefined;
  const settings = schema.safeParse(
    Object.fromEntries(
      Object.entries(env).filter(([name, value]) => typeof value === 'string' && isOurs(name)),
    ),
  );
  if (settings.success) return settings.data;
  const faults = settings.error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => unknownSetting(key, names)).join('; ');
    return `${issue.path.join('.')}: ${issue.input === undefined && issue.code === 'invalid_type' ? 'missing' : issue.message}`;
  });
  throw new Error(`${who} is not configured. ${faults.join('; ')}`);
}

function unknownSetting(name: string, names: readonly string[]): string {
  const likely = likelyName(name, names);
  return `${name}: not a setting of ours${likely === undefined ? '' : `, is it ${likely}?`}`;
}
