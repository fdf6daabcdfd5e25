import { addressKey } from '@agent-ticket/shared/anonymous.ts';
import { createRandom } from '@agent-ticket/shared/test/random.ts';
import { describe, expect, it } from 'vitest';
import { readWindow, retryAfterOf } from './rate.ts';

describe('the seconds after which to try again', () => {
  const rule = { key: 'alice', limit: 1 };
  it.each([
    ['at the start of a window that begins within a second', 999, 999, 60],
    ['at its start', 0, 0, 60],
    ['in its middle', 0, 30_500, 30],
    ['at its end', 0, 59_999, 1],
    ['after its end', 0, 90_000, 1],
    ['by a clock that was put back an hour', 3_600_000, 0, 60],
  ])('are at least one and at most a window: %s', (_when, startedAt, now, expected) => {
    expect(retryAfterOf(readWindow(rule, { startedAt, count: 2 }).rate, now)).toBe(expected);
  });
});

describe('the key of an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::A', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:0000:0000:0000:0001', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:1::', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8:0:0::/64'],
    ['2001:0:0:1::1', '2001:0:0:1::/64'],
    ['::', '0:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['2001:db8:1:2::192.0.2.1', '2001:db8:1:2::/64'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
  ])('%s is %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });

  it.each([null, ''])('of no address (%j) is one for all that have none', (address) => {
    expect(addressKey(address)).toBe('unknown');
  });

  it.each([
    ['too many groups', 'a:b:c:d:e:f:1:2::3:4'],
    ['nine groups', '1:2:3:4:5:6:7:8:9::'],
    ['two gaps', '::1::2'],
    ['a zone', 'fe80::1%eth0'],
    ['brackets', '[::1]'],
    ['a port', '192.0.2.1:8080'],
    ['a colon', ':'],
    ['colons', '::::::::::::'],
    ['words', 'x:y'],
    ['a URL', 'http://[::1]'],
    ['two addresses', '2001:db8::1, 2001:db8::2'],
    ['ten thousand colons', ':'.repeat(10_000)],
    ['ten thousand letters', `${'1'.repeat(10_000)}:`],
    ['five thousand groups', `${'1:'.repeat(5_000)}:`],
  ])('of %s, which is no address, is some key and never an error', (_what, text) => {
    expect(addressKey(text)).toMatch(/./);
  });

  it('is the same for every spelling of a /64, and another for another', () => {
    for (let seed = 0; seed < 2_000; seed += 1) {
      const random = createRandom(seed);
      const groups = Array.from({ length: 8 }, () => (random.chance(0.5) ? 0 : random.below(0x10000)));
      // The ones with IPv4 inside have keys of their own.
      const network = [0x2000 + random.below(0x1000), ...groups.slice(1, 4)];
      const host = Array.from({ length: 4 }, () => random.below(0x10000));
      const key = addressKey(spelling([...network, ...groups.slice(4)], random));
      expect(addressKey(spelling([...network, ...host], random))).toBe(key);
      const [first = 0, ...rest] = network;
      expect(addressKey(spelling([first ^ 1, ...rest, ...host], random))).not.toBe(key);
    }
  });
});

/** Some way to write the eight groups of an address (RFC 4291 §2.2). */
function spelling(groups: readonly number[], random: ReturnType<typeof createRandom>): string {
  const written = groups.map((group) => {
    const digits = random.chance(0.5) ? group.toString(16) : group.toString(16).padStart(4, '0');
    return random.chance(0.5) ? digits : digits.toUpperCase();
  });
  const zeros = /(^|:)0{1,4}(:0{1,4})*(:|$)/;
  const text = written.join(':');
  return random.chance(0.5) ? text.replace(zeros, '::') : text;
}
