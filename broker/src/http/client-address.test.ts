import { describe, expect, it } from 'vitest';
import { openTrustedProxies } from '../runtime/node/open-trusted-proxies.ts';
import { clientAddress, isForwardedTls, plainAddress } from './client-address.ts';

describe('an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    [' 192.0.2.1 ', '192.0.2.1'],
    ['192.0.2.1:4711', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:C000:0201', '192.0.2.1'],
    ['[::ffff:192.0.2.1]:443', '192.0.2.1'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:db8:0:0:0:0:0:1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::1', '::1'],
  ])('%s is %s', (text, address) => {
    expect(plainAddress(text)).toBe(address);
  });

  it.each([
    '',
    'unknown',
    '_hidden',
    '256.0.0.1',
    '1.2.3',
    '0x7f.0.0.1',
    '127.1',
    ':',
    'a:b',
    '::1::',
    '1.2.3.4.5',
    '<script>',
    '2001:db8::1]',
  ])('is not what %j says', (text) => {
    expect(plainAddress(text)).toBeUndefined();
  });
});

describe('the address of a caller', () => {
  const isTrusted = openTrustedProxies(['10.0.0.0/8', '192.0.2.7', '2001:db8:1::/48', '::1']);
  it.each([
    ['the socket’s, without a proxy', '198.51.100.1', null, '198.51.100.1'],
    ['the socket’s, whatever an anonymous caller claims', '198.51.100.1', '203.0.113.9', '198.51.100.1'],
    [
      'the socket’s, whatever many an anonymous caller claims',
      '198.51.100.1',
      '203.0.113.9, 10.0.0.1',
      '198.51.100.1',
    ],
    ['what a proxy says', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['what a proxy that is written as IPv6 says', '::ffff:10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['what an IPv6 proxy says', '2001:db8:1::5', '2001:db8:ffff::1', '2001:db8:ffff::1'],
    ['the right-most that is no proxy', '10.1.2.3', '203.0.113.9, 198.51.100.1', '198.51.100.1'],
    ['beyond two proxies', '10.1.2.3', '198.51.100.1, 192.0.2.7', '198.51.100.1'],
    ['beyond two proxies and no further', '10.1.2.3', '203.0.113.9, 198.51.100.1,192.0.2.7', '198.51.100.1'],
    ['with the port that a proxy wrote', '10.1.2.3', '198.51.100.1:5000', '198.51.100.1'],
    ['with IPv4 in IPv6', '10.1.2.3', '::ffff:198.51.100.1', '198.51.100.1'],
    ['the proxy’s, where it says nothing', '10.1.2.3', null, '10.1.2.3'],
    ['the proxy’s, where it says something else', '10.1.2.3', 'unknown', '10.1.2.3'],
    ['the proxy’s, where it says nothing at the end', '10.1.2.3', '198.51.100.1, ', '10.1.2.3'],
    ['the left-most, where all are proxies', '10.1.2.3', '10.0.0.1, 10.0.0.2', '10.0.0.1'],
  ])('is %s', (_what, peer, header, address) => {
    expect(clientAddress(peer, header, isTrusted)).toBe(address);
  });

  it('is not known where the socket is gone', () => {
    expect(clientAddress(undefined, '198.51.100.1', isTrusted)).toBeNull();
  });

  it('is the socket’s for everybody where no proxy is trusted', () => {
    expect(clientAddress('127.0.0.1', '198.51.100.1', openTrustedProxies([]))).toBe('127.0.0.1');
  });
});

describe('the caller used TLS', () => {
  const isTrusted = openTrustedProxies(['10.0.0.0/8']);
  it.each<[peer: string | undefined, proto: string | null, isByTls: boolean]>([
    ['10.0.0.1', 'https', true],
    ['::ffff:10.0.0.1', 'HTTPS', true],
    // The proxy's own value is the last one.
    ['10.0.0.1', 'http, https', true],
    ['10.0.0.1', 'https, http', false],
    ['10.0.0.1', 'https,', false],
    ['10.0.0.1', 'wss', false],
    ['10.0.0.1', null, false],
    // A caller can write anything.
    ['192.0.2.1', 'https', false],
    [undefined, 'https', false],
  ])('where the peer is %s and it states %s: %s', (peer, proto, isByTls) => {
    expect(isForwardedTls(peer, proto, isTrusted)).toBe(isByTls);
  });
});
