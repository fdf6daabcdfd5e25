import { connectRows } from './connect.ts';
import { mintRows } from './mint.ts';
import type { Row } from './row.ts';

/** Every row, in the order of the table. */
export const ROWS: readonly Row[] = [...mintRows, ...connectRows];
