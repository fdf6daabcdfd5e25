import { expect, test } from 'vitest';
import { nodeTooOld } from './node-version.ts';

test.each(['20.20.2', '22.17.9', '18.0.0', '9.99.0'])('a program does not run on Node %s', (version) => {
  expect(nodeTooOld(version)).toContain(`Node ${version} is too old: use 22.18`);
});

test.each(['22.18.0', '22.100.0', '24.0.0', '26.1.0-nightly'])('a program runs on Node %s', (version) => {
  expect(nodeTooOld(version)).toBeUndefined();
});
