import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { atEnd } from './folder.ts';

/*
 * A server with the part of the API of S3 that the archive uses: objects by GET, PUT and DELETE, each request signed by
 * Signature Version 4, written from its documentation. Refuses whatever a server of others would: another key, time,
 * region or body, and headers that are not covered.
 */

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Uint8Array, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();

export interface SignedRequest {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export interface S3Account {
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([a-z0-9-]+)\/s3\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/;

/** Why a request is refused by its signature, with the code of S3; `undefined`: it is signed. `now` in ms. */
export function signatureFault(
  { method, target, headers }: SignedRequest,
  { region, accessKeyId, secretAccessKey }: S3Account,
  now: number,
): string | undefined {
  const [, id, day = '', scopeRegion = '', names = '', signature] =
    AUTHORIZATION.exec(headers.authorization ?? '') ?? [];
  if (id === undefined) return 'AccessDenied';
  if (id !== accessKeyId) return 'InvalidAccessKeyId';
  if (scopeRegion !== region) return 'AuthorizationHeaderMalformed';
  const date = headers['x-amz-date'] ?? '';
  const at = Date.parse(date.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
  if (!date.startsWith(day) || !(Math.abs(now - at) < 15 * 60_000)) return 'RequestTimeTooSkewed';
  const signed = names.split(';');
  const must = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'));
  if (must.some((name) => !signed.includes(name))) return 'AccessDenied';
  const [path = '', query = ''] = target.split('?');
  const request = [
    ...[method, path, query],
    ...signed.map((name) => `${name}:${(headers[name] ?? '').trim()}`),
    ...['', names, headers['x-amz-content-sha256'] ?? ''],
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', date, scope, sha256(request)].join('\n');
  const key = [region, 's3', 'aws4_request'].reduce<Uint8Array>(hmac, hmac(`AWS4${secretAccessKey}`, day));
  return hmac(key, text).toString('hex') === signature ? undefined : 'SignatureDoesNotMatch';
}

const headersOf = ({ headers }: IncomingMessage): SignedRequest['headers'] =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join() : value]),
  );

/** A server with an empty bucket, until the tests of the file are over. */
export async function startS3(account: S3Account) {
  const objects = new Map<string, Buffer>();
  const seen: { method: string; target: string; status: number; code?: string }[] = [];
  /** Statuses with which the next requests are answered, whatever they are. */
  const failing: number[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const body = await buffer(incoming);
    const request = {
      method: incoming.method ?? '',
      target: incoming.url ?? '',
      headers: headersOf(incoming),
    };
    const hashed = request.headers['x-amz-content-sha256'];
    const code =
      signatureFault(request, account, Date.now()) ??
      (hashed === sha256(body) ? undefined : 'XAmzContentSHA256Mismatch');
    const status = failing.shift() ?? (code === undefined ? statusOf(request, body) : 403);
    seen.push({ method: request.method, target: request.target, status, ...(code && { code }) });
    const content = status === 200 && request.method === 'GET' ? objects.get(request.target) : undefined;
    outgoing
      .writeHead(status)
      .end(content ?? (status < 300 ? '' : `<Error><Code>${code ?? 'Error'}</Code></Error>`));
  });
  function statusOf({ method, target, headers }: SignedRequest, body: Buffer): number {
    const there = objects.has(target);
    if (method === 'GET') return there ? 200 : 404;
    if (method === 'DELETE') objects.delete(target);
    if (method === 'DELETE') return 204;
    if (headers['if-none-match'] === '*' && there) return 412;
    objects.set(target, body);
    return 200;
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = (
    address !== null && typeof address === 'object' ? address : ({ port: 0 } satisfies Partial<AddressInfo>)
  ).port;
  return { url: `http://127.0.0.1:${port}/bucket/audit`, objects, seen, failing };
}
