/** A body on its way to an agent. */
interface BoundedBody {
  readonly stream: ReadableStream<Uint8Array>;
  /** Why it was broken off, if it was. */
  readonly fault: () => 'body_too_large' | 'body_incomplete' | undefined;
}

/**
 * Passes a body on and counts it meanwhile, so that a missing or false length is no way round. It is read no faster than
 * the agent reads. Whatever the runtime says of a body that breaks off, it is the caller's.
 */
export function boundedBody(body: ReadableStream<Uint8Array>, maxBytes: number): BoundedBody {
  let fault: ReturnType<BoundedBody['fault']>;
  const { readable, writable } = new IdentityTransformStream();
  const source = body.getReader();
  const target = writable.getWriter();
  const stop = async (why: NonNullable<typeof fault>): Promise<void> => {
    fault = why;
    await target.abort(new Error(why));
  };

  async function pass(): Promise<void> {
    for (let length = 0; ; ) {
      const read = await source.read().catch(() => undefined);
      if (read === undefined) return stop('body_incomplete');
      if (read.done) return target.close();
      length += read.value.byteLength;
      if (length > maxBytes) {
        await stop('body_too_large');
        return source.cancel();
      }
      await target.write(read.value);
    }
  }

  // Writing fails when the agent does not want the rest.
  pass().catch(() => source.cancel().catch(() => {}));
  return { stream: readable, fault: () => fault };
}
