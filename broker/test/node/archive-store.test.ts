import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { describe, expect, it } from 'vitest';
import { askArchive } from '../../src/audit/archive-store.ts';
import { s3Archive } from '../../src/audit/s3-archive.ts';
import { openArchive } from '../../src/runtime/node/open-archive.ts';
import { contentOf, describeArchiveStore } from '../archive-store-cases.ts';
import { makeFolder } from './folder.ts';
import { signatureFault, startS3 } from './s3-server.ts';

const ACCOUNT = { region: 'eu-central-1', accessKeyId: 'AKIATEST', secretAccessKey: 'a/secret+of=letters' };
const TEXT = new Uint8Array([1, 2, 3]);

describeArchiveStore('a folder', async () => openArchive({ folder: await makeFolder() }));
describeArchiveStore('a server with the API of S3', async () => {
  const { url } = await startS3(ACCOUNT);
  return openArchive({ url, ...ACCOUNT });
});

describe('a folder', () => {
  it('has files that nobody but the owner may read, and no other names', async () => {
    const folder = join(await makeFolder(), 'deep', 'archive');
    const store = await openArchive({ folder });
    await store.put('a.gz', TEXT);
    expect(await readdir(folder)).toEqual(['a.gz']);
    expect((await stat(join(folder, 'a.gz'))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  it('loses what a killed process left half written', async () => {
    const folder = await makeFolder();
    await writeFile(join(folder, '.a.gz.77.partial'), 'half');
    const anHourAgo = new Date(Date.now() - 3_700_000);
    await utimes(join(folder, '.a.gz.77.partial'), anHourAgo, anHourAgo);
    await writeFile(join(folder, 'b.gz'), 'whole');
    await openArchive({ folder });
    expect(await readdir(folder)).toEqual(['b.gz']);
    expect(await readFile(join(folder, 'b.gz'), 'utf8')).toBe('whole');
  });

  it('is opened by several processes at once, and keeps what one of them is writing', async () => {
    const folder = await makeFolder();
    await writeFile(join(folder, '.a.gz.77.partial'), 'half');
    const stores = await Promise.all(Array.from({ length: 8 }, () => openArchive({ folder })));
    await Promise.all(stores.map((store, index) => store.put(`${index % 2}.gz`, TEXT)));
    expect((await readdir(folder)).toSorted()).toEqual(['.a.gz.77.partial', '0.gz', '1.gz']);
  });

  it('that cannot be made fails the start by the name of its setting', async () => {
    const folder = await makeFolder();
    await writeFile(join(folder, 'file'), '');
    await expect(openArchive({ folder: join(folder, 'file') })).rejects.toThrow(/^AUDIT_ARCHIVE_URL: /);
  });

  it('rejects where the name is no file, and does not say that there is none', async () => {
    const folder = await makeFolder();
    const store = await openArchive({ folder });
    await mkdir(join(folder, 'a.gz'));
    await expect(contentOf(store, 'a.gz')).rejects.toThrow();
  });
});

describe('a failure of a store', () => {
  it.each([
    [
      'of R2',
      new Error('put: We encountered an internal error. (10001)'),
      'ArchiveFault: the archive failed (10001)',
    ],
    [
      'of a system',
      new Error('to s3.example', { cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }) }),
      'ArchiveFault (ECONNREFUSED): the archive failed',
    ],
    ['without a code', new Error('(secret)'), 'ArchiveFault: the archive failed'],
  ])('%s is described by its code, once, and by no text of it', async (_whose, cause, described) => {
    const error = await askArchive((answered) => answered(Promise.reject(cause))).catch(
      (failed: unknown) => failed,
    );
    expect(describeError(error).split(' < ')[0]).toBe(described);
  });
});

describe('a server with the API of S3', () => {
  it('is asked by signed requests for objects alone', async () => {
    const { url, seen } = await startS3(ACCOUNT);
    const store = await openArchive({ url, ...ACCOUNT });
    await store.put('a.gz', TEXT);
    await contentOf(store, 'a.gz');
    await store.delete('a.gz');
    expect(seen).toEqual([
      { method: 'PUT', target: '/bucket/audit/a.gz', status: 200 },
      { method: 'GET', target: '/bucket/audit/a.gz', status: 200 },
      { method: 'DELETE', target: '/bucket/audit/a.gz', status: 204 },
    ]);
  });

  it.each([
    ['another secret', { secretAccessKey: 'other' }, 'SignatureDoesNotMatch'],
    ['another key', { accessKeyId: 'other' }, 'InvalidAccessKeyId'],
    ['another region', { region: 'us-east-1' }, 'AuthorizationHeaderMalformed'],
  ])('that is asked with %s refuses, and that is no missing file', async (_what, differs, code) => {
    const { url, seen } = await startS3(ACCOUNT);
    const store = await openArchive({ url, ...ACCOUNT, ...differs });
    const said = `the archive answered 403 ${code}`;
    const questions = [() => store.get('a.gz'), () => store.put('a.gz', TEXT), () => store.delete('a.gz')];
    for (const ask of questions) {
      const error = await ask().catch((failed: unknown) => failed);
      expect(error).toMatchObject({ message: said });
      expect(describeError(error)).toMatch(new RegExp(`^ArchiveFault: ${said} < at `));
    }
    expect(seen.map((each) => each.code)).toEqual([code, code, code]);
  });

  it.each([301, 307, 400, 429, 500, 503])(
    'that answers %i is away, and nothing is followed',
    async (status) => {
      const { url, failing, seen } = await startS3(ACCOUNT);
      const store = await openArchive({ url, ...ACCOUNT });
      failing.push(status, status, status);
      await expect(store.get('a.gz')).rejects.toThrow(`the archive answered ${status}`);
      await expect(store.put('a.gz', TEXT)).rejects.toThrow(`the archive answered ${status}`);
      await expect(store.delete('a.gz')).rejects.toThrow(`the archive answered ${status}`);
      expect(seen).toHaveLength(3);
    },
  );

  it('that stays silent is away when the time is over', async () => {
    const store = s3Archive(
      { url: 'https://s3.test/bucket', ...ACCOUNT },
      (_url, { signal }) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(signal.reason));
        }),
      1,
    );
    await expect(store.get('a.gz')).rejects.toThrow(/timeout/i);
  });
});

describe('the server of these tests', () => {
  it('takes the signature of the example in the documentation of S3, and no other', () => {
    const account = {
      region: 'us-east-1',
      accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
      secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    };
    const headers = {
      host: 'examplebucket.s3.amazonaws.com',
      range: 'bytes=0-9',
      'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      'x-amz-date': '20130524T000000Z',
      authorization:
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    };
    const now = Date.parse('2013-05-24T00:01:00Z');
    const request = { method: 'GET', target: '/test.txt', headers };
    expect(signatureFault(request, account, now)).toBeUndefined();
    expect(signatureFault({ ...request, method: 'PUT' }, account, now)).toBe('SignatureDoesNotMatch');
    expect(signatureFault({ ...request, target: '/test.txt?acl=' }, account, now)).toBe(
      'SignatureDoesNotMatch',
    );
    expect(signatureFault(request, account, now + 3_600_000)).toBe('RequestTimeTooSkewed');
  });
});
