import { expect, it } from 'vitest';
import { readAnswer } from './http-lane.ts';
import { maskedFrame, readFrame } from './socket-client.ts';

/** Bytes of HTTP and WebSockets, as the load of the bench reads and writes them. */

const LENGTH = 'HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello';
const CHUNKS = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n';

it.each([
  ['of a given length', LENGTH, { status: 201, body: 'hello' }],
  ['in chunks', CHUNKS, { status: 200, body: 'hello' }],
  ['without a body', 'HTTP/1.1 204 No Content\r\n\r\n', { status: 204, body: '' }],
])('an answer %s is read whole', (_case, text, answer) => expect(readAnswer(text)).toEqual(answer));

it.each([
  ['a given length', LENGTH],
  ['chunks', CHUNKS],
])('an answer in %s is not read while a part is missing', (_case, text) => {
  for (let end = 0; end < text.length; end++) expect(readAnswer(text.slice(0, end))).toBeUndefined();
});

it.each([3, 200, 70_000])('a frame of %i bytes is read whole, and only then', (size) => {
  const payload = Buffer.alloc(size, 'x');
  const head =
    size < 126
      ? Buffer.from([0x81, size])
      : Buffer.concat([Buffer.from([0x81, size < 65_536 ? 126 : 127]), length(size)]);
  const bytes = Buffer.concat([head, payload]);
  expect(readFrame(bytes)).toEqual({ opcode: 1, payload, length: bytes.length });
  expect(readFrame(Buffer.concat([bytes, bytes]))?.length).toBe(bytes.length);
  for (const end of [0, 1, head.length, bytes.length - 1])
    expect(readFrame(bytes.subarray(0, end))).toBeUndefined();
});

function length(size: number): Buffer {
  const bytes = Buffer.alloc(size < 65_536 ? 2 : 8);
  if (size < 65_536) bytes.writeUInt16BE(size);
  else bytes.writeBigUInt64BE(BigInt(size));
  return bytes;
}

it.each([
  [5, [0x81, 0x85, 0, 0, 0, 0]],
  [300, [0x81, 0xfe, 1, 44, 0, 0, 0, 0]],
])('a frame of a client with %i bytes is masked', (size, head) => {
  const payload = Buffer.alloc(size, 'x');
  expect(maskedFrame(1, payload)).toEqual(Buffer.concat([Buffer.from(head), payload]));
});
