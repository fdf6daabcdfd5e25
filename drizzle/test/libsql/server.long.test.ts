import { describe } from 'vitest';
import { describeQueries } from '../suite/queries.ts';
import { libsqlServers } from './open.ts';
import { hasSqld } from './sqld.ts';

describe.skipIf(!hasSqld())('on a libSQL server', () => {
  describeQueries(libsqlServers());
});
