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

/**
 * Reads the settings of a process: the string members of a Worker's env or of `process.env`. Throws an `Error` that
 * names every missing, malformed or unknown setting and no value, so that nothing starts half configured.
 *
 * @param ours selects the names to check, where the env is shared with other programs; default: all names.
 */
export function readSettings<T>(who: string, schema: z.ZodType<T>, env: object, ours = /./): T {
  const settings = schema.safeParse(
    Object.fromEntries(
      Object.entries(env).filter(([name, value]) => typeof value === 'string' && ours.test(name)),
    ),
  );
  if (settings.success) return settings.data;
  const faults = settings.error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys') return `${issue.keys.join(', ')}: not a setting of ours`;
    return `${issue.path.join('.')}: ${issue.input === undefined && issue.code === 'invalid_type' ? 'missing' : issue.message}`;
  });
  throw new Error(`${who} is not configured. ${faults.join('; ')}`);
}
