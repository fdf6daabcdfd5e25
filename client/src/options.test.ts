import { describe, expect, test, vi } from 'vitest';
import { BROKER } from '../test/fake-backend.ts';
import { type Credential, resolveOptions, type TicketProviderOptions } from './options.ts';
import { createTicketProvider } from './provider.ts';

const OPTIONS: TicketProviderOptions = {
  broker: BROKER,
  host: 'agents.example.com',
  agent: 'counter',
  credential: { kind: 'session' },
};
const SERVICE: Credential = { kind: 'service-token', clientId: 'id', clientSecret: 'secret' };

describe('the broker’s address', () => {
  test.for([
    'https://broker.example.com',
    'https://example.com/broker/',
    'http://localhost:8787',
    'http://127.0.0.1:8787/',
    'http://[::1]:8787',
  ])('%s', (broker) => {
    expect(resolveOptions({ ...OPTIONS, broker }).broker).toBe(broker.replace(/\/$/, ''));
  });

  test.for([
    '',
    '/broker',
    'broker.example.com',
    'http://broker.example.com',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example',
    'ftp://localhost',
    'javascript:alert(1)',
  ])('%s is refused', (broker) => {
    expect(() => resolveOptions({ ...OPTIONS, broker })).toThrow(TypeError);
  });
});

describe('where it runs', () => {
  test('is found out: here is no page', () => {
    expect(resolveOptions(OPTIONS).runsIn).toBe('server-render');
    expect(resolveOptions({ ...OPTIONS, credential: SERVICE }).runsIn).toBe('process');
  });

  test.for(['document', 'importScripts'])('%s makes it a browser', (name) => {
    vi.stubGlobal(name, {});
    try {
      expect(resolveOptions(OPTIONS).runsIn).toBe('browser');
      for (const runsIn of ['browser', 'process', 'server-render', undefined] as const) {
        const options = { ...OPTIONS, credential: SERVICE, ...(runsIn && { runsIn }) };
        expect(() => createTicketProvider(options)).toThrow(/service-token: visitors can read it/);
      }
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test('a service token is refused where a browser is meant', () => {
    const options = { ...OPTIONS, credential: SERVICE, runsIn: 'browser' } as const;
    expect(() => createTicketProvider(options)).toThrow(TypeError);
  });
});

test('an instance has a name', () => {
  expect(resolveOptions(OPTIONS).instance).toBe('default');
  expect(resolveOptions({ ...OPTIONS, instance: 'main' }).instance).toBe('main');
});
