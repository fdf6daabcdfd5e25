import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { BUNDLE_RULES, bundleFaults, inputsOf, readBundle } from './bundle.ts';

const rulesOf = (workspace: string) => {
  const rules = BUNDLE_RULES.find((each) => each.workspace === workspace);
  if (rules === undefined) throw new Error(`no rules for ${workspace}`);
  return rules;
};
const clean = [
  'src/index.ts',
  '../shared/src/verify-ticket.ts',
  '../node_modules/jose/dist/webapi/lib/jws_verify.js',
];

describe.each(BUNDLE_RULES)('the bundle of $workspace', (rules) => {
  it('passes when it is clean', () => {
    expect(bundleFaults(rules, { inputs: clean, text: 'export default {}' })).toEqual([]);
  });

  it.each(rules.texts)('must not contain the text "$found"', ({ found }) => {
    expect(bundleFaults(rules, { inputs: clean, text: `x ${found} y` })).toHaveLength(1);
  });

  it('must not weigh more than its limit', () => {
    // Random bytes do not compress.
    const text = randomBytes(rules.gzipBytesMax).toString('latin1');
    expect(bundleFaults(rules, { inputs: clean, text })[0]?.message).toMatch(/^weighs \d+ bytes compressed/);
  });

  it('must have a report of its own sources', () => {
    for (const inputs of [[], ['../elsewhere/src/index.ts']])
      expect(bundleFaults(rules, { inputs, text: '' })).toHaveLength(1);
  });
});

it.each([
  ['agent-worker', '../broker/src/mint/issue.ts'],
  ['agent-worker', '../drizzle/control/policy.ts'],
  ['agent-worker', '../dev/start/start.ts'],
  ['agent-worker', '../node_modules/jose/dist/webapi/jwt/sign.js'],
  ['agent-worker', '../node_modules/jose/dist/webapi/lib/jws_sign.js'],
  ['agent-worker', '../node_modules/jose/dist/webapi/key/generate_key_pair.js'],
  ['agent-worker', '../node_modules/openid-client/build/index.js'],
  ['agent-worker', '../node_modules/oidc-provider/lib/provider.js'],
  ['agent-worker', '../node_modules/@libsql/client/lib-esm/web.js'],
  ['agent-worker', '../node_modules/libsql/index.js'],
  ['broker', '../agent-worker/src/gate.ts'],
  ['broker', '../node_modules/agents/dist/index.js'],
  ['broker', '../node_modules/oidc-provider/lib/provider.js'],
  ['broker', '../node_modules/@libsql/linux-x64-gnu/index.node'],
  ['broker', '../node_modules/@libsql/client/lib-esm/sqlite3.js'],
  ['broker', '../cli/src/identity-provider/start.ts'],
])('%s must not contain %s', (workspace, input) => {
  expect(bundleFaults(rulesOf(workspace), { inputs: [...clean, input], text: '' })).not.toEqual([]);
});

it('the broker may contain code that signs, and libSQL over HTTP', () => {
  const inputs = [
    ...clean,
    '../node_modules/jose/dist/webapi/jwt/sign.js',
    '../node_modules/@libsql/client/lib-esm/web.js',
  ];
  expect(bundleFaults(rulesOf('broker'), { inputs, text: '' })).toEqual([]);
});

it('an input that gave no bytes is not in the bundle', () => {
  const inputs = { 'src/index.ts': { bytesInOutput: 9 }, 'src/unused.ts': { bytesInOutput: 0 } };
  expect(inputsOf(JSON.stringify({ inputs: {}, outputs: { 'dist/index.js': { inputs } } }))).toEqual([
    'src/index.ts',
  ]);
});

it('a missing bundle is an error, not a pass', async () => {
  await expect(readBundle(`${tmpdir()}/no-such-folder`)).rejects.toThrow('no bundle');
});

it('a report in an unknown form is an error, not a pass', () => {
  expect(() => inputsOf('{"outputs":{"dist/index.js":{}}}')).toThrow();
});
