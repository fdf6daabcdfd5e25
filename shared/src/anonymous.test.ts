import { expect, it } from 'vitest';
import { networkOf } from './anonymous.ts';

it.each<[string | null, string]>([
  [null, ''],
  ['203.0.113.9', '203.0.113.9'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:DB8:1:2::', '2001:db8:1:2'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['2001:db8::2:3:4:5', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['::ffff:203.0.113.9', '::ffff:cb00:7109'],
  ['::ffff:203.0.113.8', '::ffff:cb00:7108'],
  ['no:address', 'no:address'],
])('the network of %j is %j', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
