import { describePlans } from '../suite/plans.ts';
import { openD1 } from './open.ts';

describePlans(openD1);
