import { describe, expect, it } from 'vitest';
import type { ArchiveStore } from '../src/audit/archive-store.ts';

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(text));

/** The content of a file; `undefined` where there is none. */
export async function contentOf(store: ArchiveStore, name: string): Promise<Uint8Array | undefined> {
  const body = await store.get(name);
  return body === undefined ? undefined : new Uint8Array(await new Response(body).arrayBuffer());
}

/** What every store of the archive does. */
export function describeArchiveStore(what: string, open: () => Promise<ArchiveStore>): void {
  describe(`${what} as archive`, () => {
    it('has no file before it is written, and afterwards the bytes that were written', async () => {
      const store = await open();
      expect(await contentOf(store, 'a.gz')).toBeUndefined();
      await store.put('a.gz', new Uint8Array([0, 255, 10, 13, 0]));
      expect(await contentOf(store, 'a.gz')).toEqual(new Uint8Array([0, 255, 10, 13, 0]));
      expect(await contentOf(store, 'b.gz')).toBeUndefined();
    });

    it('leaves a file as it is that is there already', async () => {
      const store = await open();
      await store.put('kept.gz', bytesOf('first'));
      await store.put('kept.gz', bytesOf('second'));
      expect(await contentOf(store, 'kept.gz')).toEqual(bytesOf('first'));
    });

    it('takes one of several writings of a name at once', async () => {
      const store = await open();
      const content = bytesOf('the same text'.repeat(10_000));
      await Promise.all([1, 2, 3, 4].map(() => store.put('race.gz', content)));
      expect(await contentOf(store, 'race.gz')).toEqual(content);
    });

    it('deletes a file, and takes the deletion of one that is not there', async () => {
      const store = await open();
      await store.put('gone.gz', bytesOf('text'));
      await store.delete('gone.gz');
      expect(await contentOf(store, 'gone.gz')).toBeUndefined();
      await store.delete('gone.gz');
    });

    it('keeps a file of some megabytes whole', async () => {
      const store = await open();
      const large = new Uint8Array(5_000_000).map((_, index) => index % 251);
      await store.put('large.gz', large);
      const kept = await contentOf(store, 'large.gz');
      expect(kept?.length).toBe(large.length);
      expect(kept?.every((byte, index) => byte === index % 251)).toBe(true);
    });
  });
}
