import { createServer } from 'node:http';
import { type Loopback, type LoopbackAnswer, UsageError } from './command.ts';
import { hasCode } from './error-code.ts';

const HOST = '127.0.0.1';

/** Pages of this server load nothing, run nothing and are in no frame. */
const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  connection: 'close',
} as const;

/** The texts are constants. */
const page = (text: string): string =>
  `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>agent-ticket</title>
<h1>agent-ticket</h1>
<p>${text}</p>
</html>
`;

/** See `Terminal.openLoopback`. */
export async function openLoopback(
  port: number,
  answer: (url: URL, cookie: string) => LoopbackAnswer,
): Promise<Loopback> {
  const answering = new Set<Promise<unknown>>();
  const server = createServer((request, response) => {
    const bound = `${HOST}:${portOf()}`;
    // Another site may point its own name at this address (DNS rebinding).
    const isForUs = request.headers.host === bound && request.method === 'GET';
    const { status, text, headers }: LoopbackAnswer =
      isForUs && URL.canParse(request.url ?? '', `http://${bound}`)
        ? answer(new URL(request.url ?? '', `http://${bound}`), request.headers.cookie ?? '')
        : { status: 400, text: 'There is nothing here.' };
    answering.add(new Promise((resolve) => response.once('close', resolve)));
    response.writeHead(status, { ...HEADERS, ...headers });
    response.end(page(text));
  });
  const portOf = (): number => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, resolve);
  }).catch((error: unknown) => {
    if (hasCode(error, 'EADDRINUSE') || hasCode(error, 'EACCES'))
      throw new UsageError(`The port ${port} of ${HOST} cannot be used. Name another one, or leave it out.`);
    throw error;
  });
  return {
    port: portOf(),
    async close() {
      await Promise.all(answering);
      const closed = new Promise((resolve) => server.close(resolve));
      // Browsers open connections ahead of requests.
      server.closeAllConnections();
      await closed;
    },
  };
}
