import { PEOPLE } from '../../identity-provider/people.ts';
import { code, table } from './table.ts';

/** The people whom one can be on a developer's machine. */
export const people = (): string =>
  table(
    ['person', 'address', 'on every counter'],
    PEOPLE.map(({ name, email, counterRole }) => [
      name,
      code(email),
      counterRole ?? 'viewer, as everybody who is somebody',
    ]),
  );
