import { findPythonForBuild } from '../find-python.ts';
import { ROOT } from '../quiet-environment.ts';
import { makePackage } from './make-package.ts';
import { PACKAGES } from './packages.ts';
import { makePythonPackage } from './python.ts';

/** `npm run pack`: the packages that other projects install, below `.dev/pack`. */
for (const spec of PACKAGES) {
  const tarball = await makePackage(spec, `${ROOT}.dev/pack/${spec.workspace}`);
  process.stdout.write(`${tarball}\n`);
}
const python = await findPythonForBuild((text) => process.stderr.write(`${text}\n`));
if (python !== undefined)
  for (const path of await makePythonPackage(python, `${ROOT}.dev/pack/python`))
    process.stdout.write(`${path}\n`);
