/** A database that does not answer: an outage, by its message. The statement may still be carried out. */
export class DatabaseTimeout extends Error {
  constructor(afterMs: number) {
    super(`database timed out after ${afterMs} ms`);
    this.name = 'DatabaseTimeout';
  }
}

/**
 * How long one statement or batch may take, in ms, where somebody waits for the answer: a database that hangs must
 * become a refusal in time, not a hung request.
 */
export const STATEMENT_DEADLINE_MS = 2_000;

/** The same for what runs beside requests and moves many rows. */
export const BATCH_DEADLINE_MS = 10_000;

/** What `work` answers, or a rejection with {@link DatabaseTimeout} when that takes longer than `ms`. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new DatabaseTimeout(ms)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
