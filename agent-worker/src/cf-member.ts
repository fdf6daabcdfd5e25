import * as z from 'zod';

/**
 * Something that travels beside a request, as a member of `request.cf`: metadata that the runtime carries along. No
 * header, path or body of a client becomes part of it, so an object that some other code reaches with a client's
 * request finds nothing there.
 */
export const cfMember = <Schema extends z.ZodType>(member: string, schema: Schema) => ({
  /** The `cf` to send along: what was there, with our member set, whatever it held before. */
  write: (value: z.input<Schema>, cf?: object): Record<string, unknown> => ({ ...cf, [member]: value }),
  /** Checked again in full; `undefined` when nobody of ours wrote it. */
  read(cf: unknown): z.output<Schema> | undefined {
    const found = z.object({ [member]: z.unknown() }).safeParse(cf);
    return found.success ? schema.safeParse(found.data[member]).data : undefined;
  },
});
