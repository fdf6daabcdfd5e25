import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { blocksOf } from '../documents.ts';

const run = promisify(execFile);

/** The name of the broker in the documents. */
export const NAME = 'broker.example.com';

export type Kind = 'nginx' | 'haproxy';

export interface Certificate {
  readonly pem: string;
  readonly key: string;
  /** Both in one file, as HAProxy takes them. */
  readonly both: string;
}

/** A certificate for {@link NAME} that only the tests trust. */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const [pem, key, both] = ['pem', 'key', 'both.pem'].map((end) => join(folder, `${NAME}.${end}`)) as [
    string,
    string,
    string,
  ];
  const words = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ];
  const subject = ['-subj', `/CN=${NAME}`, '-addext', `subjectAltName=DNS:${NAME}`];
  await run('openssl', [...words, ...subject, '-keyout', key, '-out', pem]);
  await writeFile(both, `${await readFile(pem, 'utf8')}${await readFile(key, 'utf8')}`);
  return { pem, key, both };
}

export interface Places {
  readonly folder: string;
  readonly certificate: Certificate;
  /** Ports in place of 8787, 80 and 443. */
  readonly broker: number;
  readonly plain: number;
  readonly tls: number;
}

/** Starts a proxy by the block of docs/deploy/node-proxy.md, with other ports and paths; answers how to stop it. */
export async function startProxy(kind: Kind, places: Places): Promise<() => Promise<void>> {
  const { folder, certificate } = places;
  const [block] = (await blocksOf('docs/deploy/node-proxy.md')).filter(({ language }) => language === kind);
  if (block === undefined) throw new Error(`the document has no block for ${kind}`);
  const text = block.text
    .replaceAll('127.0.0.1:8787', `127.0.0.1:${places.broker}`)
    .replace(/(listen |bind :)80\b/, (_all, word) => `${word.replace(':', '127.0.0.1:')}${places.plain}`)
    .replace(/(listen |bind :)443\b/, (_all, word) => `${word.replace(':', '127.0.0.1:')}${places.tls}`)
    .replace(
      /(ssl_certificate|crt) \/etc\/ssl\/private\/broker\.example\.com\.pem/,
      (_all, word) => `${word} ${word === 'crt' ? certificate.both : certificate.pem}`,
    )
    .replace('/etc/ssl/private/broker.example.com.key', certificate.key);
  if (text.includes('/etc/')) throw new Error(`a path of ${kind} was not replaced: ${text}`);
  const file = join(folder, `${kind}.conf`);
  await writeFile(file, kind === 'nginx' ? aroundServer(text, folder) : `${text}\n`);
  const [program, args] =
    kind === 'nginx'
      ? ['nginx', ['-e', join(folder, 'nginx.log'), '-p', folder, '-c', file]]
      : ['haproxy', ['-db', '-f', file]];
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = once(child, 'close').then(([code]) => {
    throw new Error(`${program} ended with ${code}`);
  });
  ended.catch(() => {});
  await Promise.race([ended, eventually(() => answers(places.tls))]);
  return async () => {
    child.kill('SIGTERM');
    await ended.catch(() => {});
  };
}

/** The parts of nginx.conf that Debian has around `conf.d`, with every file of nginx below the folder. */
const aroundServer = (text: string, folder: string): string => {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/nginx-${name};`,
  );
  return `daemon off; pid ${folder}/nginx.pid; events {} http { access_log off; ${temporary.join(' ')}\n${text} }`;
};

async function answers(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
}

export interface Counter {
  readonly port: number;
  /** Connections that a proxy has opened so far, and those that are open. */
  readonly opened: () => number;
  readonly open: () => number;
  close(): Promise<void>;
}

/** Passes bytes on to a port, and counts connections. */
export async function countConnections(to: number): Promise<Counter> {
  let opened = 0;
  const sockets = new Set<Socket>();
  const server = createServer((from) => {
    opened += 1;
    const other = connect(to, '127.0.0.1');
    sockets.add(from);
    for (const [one, two] of [
      [from, other],
      [other, from],
    ] as const) {
      one.pipe(two);
      one.on('error', () => two.destroy());
      one.on('close', () => {
        two.destroy();
        sockets.delete(one);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    opened: () => opened,
    open: () => sockets.size,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
