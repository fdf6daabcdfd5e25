import { env } from 'cloudflare:workers';
import { openRecord } from '../../record/open-d1.ts';

/** What happens to a batch: `call` carries it out. Throw before it, after it, or wait. */
export type OnBatch = (call: () => Promise<void>, nth: number) => Promise<void>;

/** The record database behind a connection that a test may break at any batch. */
export function recordWith(onBatch: OnBatch): { record: ReturnType<typeof openRecord>; batches(): number } {
  let batches = 0;
  const batch: D1Database['batch'] = async <T>(statements: D1PreparedStatement[]) => {
    batches += 1;
    let results: D1Result<T>[] = [];
    await onBatch(async () => {
      results = await env.RECORD.batch<T>(statements);
    }, batches);
    return results;
  };
  const binding = new Proxy(env.RECORD, {
    get: (target, name) => {
      if (name === 'batch') return batch;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { record: openRecord(binding), batches: () => batches };
}

/** A barrier that work can be made to wait at. */
export function barrier(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
