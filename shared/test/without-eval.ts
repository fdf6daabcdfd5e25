import * as z from 'zod';

/**
 * Before tests of what verifies: schemas made after this are interpreted, as they are in workerd, where a
 * library cannot compile code at run time. zod has two implementations of an object, and only this one is shipped.
 */
z.config({ jitless: true });
