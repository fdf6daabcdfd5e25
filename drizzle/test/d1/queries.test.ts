import { describeQueries } from '../suite/queries.ts';
import { openD1 } from './open.ts';

describeQueries(openD1);
