import * as z from 'zod';

/**
 * Imported first by tests of the verifier: schemas made after this are interpreted, as they are in workerd, where a
 * library cannot compile code at run time. zod has two implementations of an object, and only this one is shipped.
 */
z.config({ jitless: true });
