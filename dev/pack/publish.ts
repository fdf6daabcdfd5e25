import { execFileSync, spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { readManifest } from './manifest.ts';
import { PACKAGES } from './packages.ts';

/**
 * `npm run release:publish`: publishes what `npm run pack` made. Options behind `--` go to npm. A version that the registry
 * has already is left, so that a release which failed half-way can be run again.
 */

const options = process.argv.slice(2);
const env = quietEnvironment(process.env);

for (const { workspace } of PACKAGES) {
  const { name, version } = await readManifest(workspace);
  const [tarball, ...others] = globSync(`${ROOT}.dev/pack/${workspace}/*-${version}.tgz`);
  if (tarball === undefined || others.length > 0) throw new Error(`${name} is not packed: npm run pack`);
  const known = spawnSync('npm', ['view', `${name}@${version}`, 'version', ...options], {
    env,
    encoding: 'utf8',
  });
  if (known.status === 0 && known.stdout.trim() === version) {
    process.stdout.write(`${name}@${version} is published already\n`);
    continue;
  }
  execFileSync('npm', ['publish', tarball, ...options], { env, stdio: 'inherit' });
}
