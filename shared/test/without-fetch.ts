import { afterAll, expect, vi } from 'vitest';

/** Imported by tests of the verifier, which has no business on the network: a fetch fails, and fails the file. */
const outbound = vi.spyOn(globalThis, 'fetch').mockImplementation(() => {
  throw new Error('the verifier must not fetch');
});
afterAll(() => expect(outbound).not.toHaveBeenCalled());
