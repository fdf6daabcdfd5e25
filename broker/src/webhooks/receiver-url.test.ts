import { describe, expect, it } from 'vitest';
import { receiverUrlFault } from './receiver-url.ts';

describe('the address of a receiver', () => {
  it.each([
    'https://siem.example.com/events',
    'https://siem.example.com:8443/events?source=broker',
    'https://xn--bcher-kva.example/',
  ])('may be %s', (url) => {
    expect(receiverUrlFault(url, false)).toBeUndefined();
  });

  it.each([
    ['no URL', 'siem.example.com'],
    ['http', 'http://siem.example.com/'],
    ['another scheme', 'ftp://siem.example.com/'],
    ['a user', 'https://me@siem.example.com/'],
    ['a user and a password', 'https://me:word@siem.example.com/'],
    ['an empty user', 'https://@siem.example.com/'],
    ['a fragment', 'https://siem.example.com/#part'],
    ['an empty fragment', 'https://siem.example.com/#'],
    ['loopback', 'https://127.0.0.1/'],
    ['loopback as one number', 'https://2130706433/'],
    ['loopback in octal', 'https://0177.0.0.1/'],
    ['loopback in hexadecimal', 'https://0x7f000001/'],
    ['loopback, short', 'https://127.1/'],
    ['loopback of IPv6', 'https://[::1]/'],
    ['loopback mapped into IPv6', 'https://[::ffff:127.0.0.1]/'],
    ['loopback in full-width digits', 'https://１２７.0.0.1/'],
    ['the metadata of a cloud', 'https://169.254.169.254/latest/meta-data'],
    ['a public address', 'https://1.1.1.1/'],
    ['a name of this machine', 'https://localhost/'],
    ['a name of this machine with a dot', 'https://localhost./'],
    ['a name below that of this machine', 'https://api.localhost/'],
    ['a name without a dot', 'https://siem/'],
    ['a name of the metadata of a cloud', 'https://metadata.google.internal/'],
    ['a name of the local link', 'https://printer.local/'],
    ['a name of a home', 'https://nas.home.arpa/'],
  ])('is not %s', (_what, url) => {
    expect(receiverUrlFault(url, false)).toMatch(/^(it|the name)/);
  });

  it('may be of this machine, by http, for a broker that is on it alone', () => {
    expect(receiverUrlFault('http://127.0.0.1:9000/', true)).toBeUndefined();
    expect(receiverUrlFault('http://localhost:9000/', true)).toBeUndefined();
    expect(receiverUrlFault('http://siem.example.com/', true)).toBeDefined();
    expect(receiverUrlFault('https://10.0.0.1/', true)).toBeDefined();
  });
});
