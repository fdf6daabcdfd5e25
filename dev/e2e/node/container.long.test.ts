import { execFile } from 'node:child_process';
import { chown, copyFile, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePackage } from '../../pack/make-package.ts';
import { PACKAGES } from '../../pack/packages.ts';
import { ROOT } from '../../quiet-environment.ts';
import { freePorts } from '../free-ports.ts';
import { hasProgram } from './programs.ts';

/**
 * The image of broker/Containerfile, of the packed package as npm installs it, on a base with nothing but Node and the
 * libraries that it and libSQL load, so it needs no registry of images. It runs as root, since it builds a file system.
 */

const run = promisify(execFile);
const NAME = `agent-ticket-test-${process.pid}`;
const BASE = `localhost/${NAME}-base`;
const IMAGE = `localhost/${NAME}`;
/** A package is made in the repository, where its declarations find their imports. */
const PACK = `${ROOT}.dev/${NAME}`;
const MOST_BYTES = 120_000_000;
/** The user of the image. */
const USER = 65_532;

const isHere =
  process.getuid?.() === 0 &&
  [
    ['buildah', '--version'],
    ['podman', '--version'],
    ['runc', '--version'],
  ].every(([name = '', version = '']) => hasProgram(name, 'buildah podman runc', [version]));

const buildah = async (...words: string[]) => (await run('buildah', words)).stdout.trim();
// Not crun, which refuses machines with both kinds of cgroups; limits that a sandbox may not raise.
const podman = async (...words: string[]) =>
  (await run('podman', ['--runtime', 'runc', '--log-level', 'fatal', ...words])).stdout.trim();

/** The libraries that a program or a library loads. */
const librariesOf = async (file: string): Promise<string[]> =>
  (await run('ldd', [file])).stdout.match(/\/\S+(?= \()/g) ?? [];

async function makeBase(modules: string): Promise<void> {
  const container = await buildah('from', 'scratch');
  const root = await buildah('mount', container);
  const native = (await readdir(join(modules, '@libsql'))).filter((name) => name.endsWith('-gnu'));
  const loaded = [process.execPath, ...native.map((name) => join(modules, '@libsql', name, 'index.node'))];
  const libraries = (await Promise.all(loaded.map(librariesOf))).flat();
  for (const library of new Set(libraries)) {
    await mkdir(join(root, dirname(library)), { recursive: true });
    await copyFile(library, join(root, library));
  }
  for (const folder of ['usr/bin', 'tmp', 'data']) await mkdir(join(root, folder), { recursive: true });
  await copyFile(process.execPath, join(root, 'usr/bin/node'));
  await chown(join(root, 'data'), USER, USER);
  await buildah('config', '--env', 'PATH=/usr/bin', container);
  await buildah('commit', '--quiet', container, BASE);
  await buildah('rm', container);
}

describe.skipIf(!isHere)('the container', () => {
  let folder: string;
  let url: string;
  let start: () => Promise<string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'agent-ticket-container-'));
    const image = join(folder, 'image');
    const spec = PACKAGES.find(({ workspace }) => workspace === 'broker');
    if (spec === undefined) throw new Error('the broker is not packed');
    const tarball = await makePackage(spec, PACK);
    await mkdir(image);
    await writeFile(join(image, 'agents.json'), '[{"slug":"counter"}]');
    await run('npm', ['install', '--prefix', image, '--omit=dev', '--no-save', tarball]);
    await makeBase(join(image, 'node_modules'));
    const file = `${ROOT}broker/Containerfile`;
    const build = ['build', '--quiet', '--format', 'docker', '--isolation', 'chroot', '--tag', IMAGE];
    await buildah(...build, '--build-arg', `BASE=${BASE}`, '--file', file, image);

    const { broker: port } = await freePorts();
    url = `http://127.0.0.1:${port}`;
    const { keyEncryptionKey: KEK, tokenPepper: TOKEN_PEPPER } = makeSecrets();
    const settings = {
      ...{ ISSUER: 'https://broker.example.com', TICKET_AUDIENCE: 'agents.example.com', KEK, TOKEN_PEPPER },
      ...{ AGENT_WORKER_URL: 'https://agents.example.com', HOST: '127.0.0.1', PORT: String(port) },
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(join(folder, 'broker.env'), lines.join(''), { mode: 0o600 });
    start = async () => {
      const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024', '--cap-drop', 'all'];
      const place = [
        '--network',
        'host',
        '--read-only',
        '--read-only-tmpfs=false',
        '--volume',
        `${NAME}:/data`,
      ];
      const id = await podman(
        'run',
        '-d',
        ...place,
        ...limits,
        '--env-file',
        join(folder, 'broker.env'),
        IMAGE,
      );
      await eventually(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200));
      return id;
    };
  });
  afterAll(async () => {
    for (const words of [
      ['rm', '--force', '--filter', `ancestor=${IMAGE}`],
      ['volume', 'rm', '--force', NAME],
      ['rmi', '--force', IMAGE, BASE],
    ])
      await podman(...words).catch(() => {});
    await Promise.all([folder, PACK].map((each) => rm(each, { recursive: true, force: true })));
  });

  const keys = async () => (await fetch(`${url}/.well-known/jwks.json`)).text();

  it('weighs at most 120 MB compressed', async () => {
    const file = join(folder, 'image.tar');
    await buildah('push', '--quiet', IMAGE, `docker-archive:${file}`);
    await run('gzip', [file]);
    const { size } = await stat(`${file}.gz`);
    console.info(`the image weighs ${Math.round(size / 1e6)} MB`);
    expect(size).toBeLessThan(MOST_BYTES);
  });

  it('serves as a user without rights on a read-only file system, is healthy, and stops by SIGTERM with its data kept', async () => {
    const id = await start();
    const before = await keys();
    expect(JSON.parse(before)).toMatchObject({ keys: [{ kty: expect.any(String) }] });
    expect((await fetch(`${url}/console`)).status).toBe(200);
    await podman('healthcheck', 'run', id);
    const seen = `const { writeFileSync } = require('node:fs');
      let refused; try { writeFileSync('/app/x', ''); } catch ({ code }) { refused = code; }
      console.log(process.getuid(), refused)`;
    expect(await podman('exec', id, 'node', '-e', seen)).toBe(`${USER} EROFS`);
    await podman('stop', '--time', '15', id);
    expect(await podman('wait', id)).toBe('0');
    expect(await podman('logs', id)).toMatch(/"event":"stopped"\}$/);
    await start();
    expect(await keys()).toBe(before);
  });
});
