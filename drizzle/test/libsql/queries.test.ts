import { describeQueries } from '../suite/queries.ts';
import { libsqlFiles } from './open.ts';

describeQueries(libsqlFiles());
