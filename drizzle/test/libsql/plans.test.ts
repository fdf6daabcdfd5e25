import { describePlans } from '../suite/plans.ts';
import { libsqlFiles } from './open.ts';

describePlans(libsqlFiles());
