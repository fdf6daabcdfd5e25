import { connectRows } from './connect.ts';
import { frameRows } from './frames.ts';
import { mintRows } from './mint.ts';
import { revocationRows } from './revocations.ts';
import type { Row } from './row.ts';
import { sealingRows } from './sealing.ts';
import { socketRows } from './sockets.ts';
import { startRows } from './starts.ts';
import { verifyRows } from './verify.ts';

/** Every row, in the order of the table. */
export const ROWS: readonly Row[] = [
  ...mintRows,
  ...verifyRows,
  ...connectRows,
  ...frameRows,
  ...socketRows,
  ...revocationRows,
  ...sealingRows,
  ...startRows,
];
