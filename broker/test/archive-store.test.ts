import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { bucketArchive } from '../src/audit/archive-store.ts';
import { describeArchiveStore } from './archive-store-cases.ts';

const bucket = () => {
  if (env.AUDIT_ARCHIVE === undefined) throw new TypeError('the tests have no bucket');
  return env.AUDIT_ARCHIVE;
};

describeArchiveStore('a bucket of R2', async () => bucketArchive(bucket()));

describe('a bucket of R2', () => {
  it('has segments beside whatever else is in it, with their type', async () => {
    await bucketArchive(bucket()).put('typed.gz', new Uint8Array([1]));
    const { objects } = await bucket().list({ prefix: 'segments/typed' });
    expect(objects.map(({ key }) => key)).toEqual(['segments/typed.gz']);
    expect((await bucket().head('segments/typed.gz'))?.httpMetadata?.contentType).toBe('application/gzip');
  });
});
