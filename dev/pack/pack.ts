import { ROOT } from '../quiet-environment.ts';
import { makePackage } from './make-package.ts';
import { PACKAGES } from './packages.ts';

/** `npm run pack`: the packages that other projects install, as tarballs below `.dev/pack`. */
for (const spec of PACKAGES) {
  const tarball = await makePackage(spec, `${ROOT}.dev/pack/${spec.workspace}`);
  process.stdout.write(`${tarball}\n`);
}
