import { expect, it } from 'vitest';
import { ROOT } from '../quiet-environment.ts';
import { startSettings } from './settings.ts';

it('without any variable the ports are the usual ones and the data is in the project', () => {
  const usual = {
    ports: { broker: 8787, agentWorker: 8788, identityProvider: 8790 },
    folder: `${ROOT}.dev`,
    pageOrigins: [],
  };
  expect(startSettings({})).toEqual(usual);
  expect(startSettings({ BROKER_PORT: '', DEV_DIR: '' })).toEqual(usual);
});

it('every port and the folder can be chosen', () => {
  const env = { BROKER_PORT: '1', AGENT_WORKER_PORT: '65535', IDENTITY_PROVIDER_PORT: '3', DEV_DIR: '/data' };
  expect(startSettings(env)).toEqual({
    ports: { broker: 1, agentWorker: 65_535, identityProvider: 3 },
    folder: '/data',
    pageOrigins: [],
  });
});

it.each(['0', '65536', '-1', '80.5', ' 80', '0x50', 'http', '1e3', '0080'])('%j is no port', (text) => {
  expect(() => startSettings({ AGENT_WORKER_PORT: text })).toThrow(
    'AGENT_WORKER_PORT must be a TCP port, 1 to 65535',
  );
});

it('pages of an app can be let in', () => {
  const pages = ['http://127.0.0.1:5173', 'https://app.example.com'];
  expect(startSettings({ ALLOWED_ORIGINS: pages.join(', ') }).pageOrigins).toEqual(pages);
});

it.each(['http://127.0.0.1:5173/', '127.0.0.1:5173', '*', 'null', 'javascript:x'])(
  '%j is no origin',
  (text) => {
    expect(() => startSettings({ ALLOWED_ORIGINS: text })).toThrow('ALLOWED_ORIGINS must be origins such as');
  },
);

it('two servers do not share a port', () => {
  expect(() => startSettings({ BROKER_PORT: '8790' })).toThrow(/must differ/);
});
