import * as z from 'zod';

/** A setting that is a JSON list. A fault names the item by its place, from 1, and the member; never a value. */
export const jsonList = <T>(item: z.ZodType<T>, what: string) =>
  z.string().transform((text, ctx): T[] => {
    const items = z.array(item).safeParse(parseJson(text));
    if (items.success) return items.data;
    const [issue] = items.error.issues;
    const [index, ...path] = issue?.path ?? [];
    const where = typeof index === 'number' ? ` in number ${index + 1} ${path.join('.')}` : '';
    ctx.addIssue({
      code: 'custom',
      message: `must be a JSON list of ${what}:${where} ${issue?.message ?? ''}`,
    });
    return z.NEVER;
  });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
