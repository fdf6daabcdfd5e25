import { expect, test, vi } from 'vitest';
test('x', () => {
  const f = console.error;
  expect([vi.isMockFunction(console.error), vi.isMockFunction(console.log), vi.isMockFunction(globalThis.fetch), Object.getOwnPropertyDescriptor(console, 'error')?.get !== undefined, Object.getOwnPropertyDescriptor(console, 'error')?.writable]).toEqual([]);
});
