import { afterAll } from 'vitest';
import { undoAll } from './folder.ts';

/** Evaluated for each file of tests, where other modules are evaluated once. A hook that a test registers is not run. */
afterAll(undoAll);
