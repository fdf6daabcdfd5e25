import { expect, it } from 'vitest';
import { addressKey } from './anonymous.ts';

it.each<[string | null, string]>([
  [null, 'unknown'],
  ['203.0.113.9', '203.0.113.9'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8::2:3:4:5', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['::ffff:203.0.113.8', '203.0.113.8'],
  ['no:address', 'no:address::/64'],
])('the key of %j is %j', (address, key) => {
  expect(addressKey(address)).toBe(key);
});
