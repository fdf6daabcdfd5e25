import { expect, it } from 'vitest';
import { registryHostFaults } from './registry-hosts.ts';

const files = (packages: object, npmrc = 'omit-lockfile-registry-resolved=true\n') => [
  { path: '.npmrc', text: npmrc },
  { path: 'package-lock.json', text: JSON.stringify({ packages }) },
];
const integrity = 'sha512-AAAA';

it('a lockfile of hashes and links passes', () => {
  const packages = {
    '': {},
    broker: {},
    'node_modules/zod': { integrity },
    'node_modules/@x/broker': { resolved: 'broker', link: true },
  };
  expect(registryHostFaults(files(packages))).toEqual([]);
});

it.each([
  ['a download host', { resolved: 'https://registry.example/zod.tgz', integrity }],
  ['a git host', { resolved: 'git+ssh://git@example.com/zod.git' }],
  ['a package without hash', {}],
])('%s is a fault', (_name, entry) => {
  expect(registryHostFaults(files({ 'node_modules/zod': entry }))).toHaveLength(1);
});

it.each(['', 'omit-lockfile-registry-resolved=true\nregistry=https://registry.example\n'])(
  'settings that let hosts in are a fault: %j',
  (npmrc) => {
    expect(registryHostFaults(files({}, npmrc))).toHaveLength(1);
  },
);

it('a missing lockfile is a fault', () => {
  expect(registryHostFaults(files({}).slice(0, 1))).toHaveLength(1);
});
