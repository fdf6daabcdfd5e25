import { ROOT } from '../quiet-environment.ts';
import { packLibrary } from './pack-library.ts';

/** `npm run pack`: the package that other projects install, as a tarball below `.dev/`. */
process.stdout.write(`${await packLibrary(`${ROOT}.dev/pack`)}\n`);
