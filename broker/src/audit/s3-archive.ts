import { AwsV4Signer } from 'aws4fetch';
import { type ArchiveStore, CONTENT_TYPE, IF_NONE, sha256 } from './archive-store.ts';

export interface S3Place {
  /** Of bucket and folder, without a slash at its end; the host may name the bucket. */
  readonly url: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** How long one request may take, in ms. */
const TIMEOUT_MS = 60_000;

/** Objects of a server with the API of S3, signed by Signature Version 4. Not repeated when they fail: the schedule is. */
export function s3Archive(
  { url, region, accessKeyId, secretAccessKey }: S3Place,
  fetch: (url: string, init: RequestInit) => Promise<Response>,
  timeoutMs = TIMEOUT_MS,
): ArchiveStore {
  const ask = async (
    method: 'GET' | 'PUT' | 'DELETE',
    name: string,
    body?: Uint8Array<ArrayBuffer>,
    given: Readonly<Record<string, string>> = {},
  ): Promise<Response> => {
    const hashed = { 'x-amz-content-sha256': await sha256(body ?? new Uint8Array()) };
    const signer = new AwsV4Signer({
      ...{ method, url: `${url}/${name}`, headers: { ...given, ...hashed } },
      ...{ accessKeyId, secretAccessKey, region, service: 's3' },
    });
    const { headers } = await signer.sign();
    const signal = AbortSignal.timeout(timeoutMs);
    return fetch(`${url}/${name}`, { method, headers, redirect: 'manual', signal, ...(body && { body }) });
  };
  /** Throws unless the status is one of success or of those expected; without the text that the server sent. */
  const settle = async (answer: Response, ...expected: readonly number[]): Promise<void> => {
    await answer.body?.cancel();
    if (!answer.ok && !expected.includes(answer.status))
      throw new Error(`the archive answered ${answer.status}`);
  };
  return {
    async get(name) {
      const answer = await ask('GET', name);
      if (answer.ok && answer.body !== null) return answer.body;
      return settle(answer, 404).then(() => undefined);
    },
    async put(name, content) {
      const headers = { ...IF_NONE, 'content-type': CONTENT_TYPE };
      // 412: there is one. 409: another request writes it at this moment, which the reading that follows finds or not.
      await settle(await ask('PUT', name, content, headers), 409, 412);
    },
    delete: async (name) => settle(await ask('DELETE', name), 404),
  };
}
