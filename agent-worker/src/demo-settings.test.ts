import { expect, test } from 'vitest';
import { readAccessUrl } from './demo-settings.ts';

const URL_OF_STAND_IN = 'http://127.0.0.1:8790/access';

test('there is no stand-in for Access without its setting', () => {
  expect(readAccessUrl({})).toBeUndefined();
  expect(readAccessUrl({ MODE: 'development', ISSUER: 'x' })).toBeUndefined();
});

test('a stand-in for Access is accepted in development on loopback', () => {
  expect(readAccessUrl({ MODE: 'development', DEMO_ACCESS_URL: URL_OF_STAND_IN })).toBe(URL_OF_STAND_IN);
});

test.for([
  { DEMO_ACCESS_URL: URL_OF_STAND_IN },
  { MODE: 'production', DEMO_ACCESS_URL: URL_OF_STAND_IN },
  { MODE: 'development', DEMO_ACCESS_URL: 'https://login.example' },
  { MODE: 'development', DEMO_ACCESS_URL: 'x' },
  { DEMO_ACCES_URL: URL_OF_STAND_IN },
  { DMEO_ACCESS_URL: URL_OF_STAND_IN },
])('%j is refused by name', (env) => {
  expect(() => readAccessUrl(env)).toThrow(/^demo page is not configured\. D\w+_ACCES/);
});
