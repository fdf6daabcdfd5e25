import { AwsV4Signer } from 'aws4fetch';
import {
  ArchiveFault,
  type ArchiveStore,
  CONTENT_TYPE,
  IF_NONE,
  REQUEST_MS,
  sha256,
} from './archive-store.ts';

export interface S3Place {
  /** Of bucket and folder, without a slash at its end; the host may name the bucket. */
  readonly url: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Objects of a server with the API of S3, signed by Signature Version 4. Not repeated when they fail: the schedule is. */
export function s3Archive(
  { url, region, accessKeyId, secretAccessKey }: S3Place,
  fetch: (url: string, init: RequestInit) => Promise<Response>,
  timeoutMs = REQUEST_MS,
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
  /** Throws unless the status is one of success or of those expected. */
  const settle = async (answer: Response, ...expected: readonly number[]): Promise<void> => {
    if (answer.ok || expected.includes(answer.status)) await answer.body?.cancel();
    else throw new ArchiveFault(`answered ${answer.status}${await codeOf(answer)}`);
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

/** The first bytes of an answer, which have its code. */
const HEAD_BYTES = 1024;

/** The code of an error of S3, such as `AccessDenied`, after a space; empty where there is none. Nothing else of the text. */
async function codeOf(answer: Response): Promise<string> {
  const reader = answer.body?.getReader();
  let head = '';
  const decoder = new TextDecoder();
  while (reader !== undefined && head.length < HEAD_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    head += decoder.decode(value.subarray(0, HEAD_BYTES), { stream: true });
  }
  await reader?.cancel();
  const code = /<Code>([A-Za-z]{1,64})<\/Code>/.exec(head)?.[1];
  return code === undefined ? '' : ` ${code}`;
}
