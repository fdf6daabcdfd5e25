import { afterAll, expect, vi } from 'vitest';

/** Before each file: what is shared has no business on the network. A fetch fails, and fails the file. */
const outbound = vi.spyOn(globalThis, 'fetch').mockImplementation(() => {
  throw new Error('nothing shared may fetch');
});
afterAll(() => expect(outbound).not.toHaveBeenCalled());
