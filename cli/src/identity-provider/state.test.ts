import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { type IdentityProvider, startIdentityProvider } from './start.ts';

let stateDir: string;

beforeEach(() => {
  stateDir = join(mkdtempSync(join(tmpdir(), 'identity-provider-')), 'state');
});

afterEach(() => rmSync(join(stateDir, '..'), { recursive: true }));

async function during<T>(use: (provider: IdentityProvider) => Promise<T>, dir?: string): Promise<T> {
  const provider = await startIdentityProvider({ port: 0, ...(dir === undefined ? {} : { stateDir: dir }) });
  try {
    return await use(provider);
  } finally {
    await provider.close();
  }
}

async function tokens({ access, auth0 }: IdentityProvider): Promise<string[]> {
  const bodies = [
    [access.tokenUrl, {}],
    [auth0.tokenUrl, { sub: 'auth0|a' }],
  ] as const;
  return Promise.all(
    bodies.map(async ([url, body]) => {
      const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
      return z.object({ token: z.string() }).parse(await answer.json()).token;
    }),
  );
}

const verifies = ({ access, auth0 }: IdentityProvider, made: string[]): Promise<boolean[]> =>
  Promise.all(
    [access.certsUrl, auth0.jwksUrl].map((url, index) =>
      jwtVerify(made[index] ?? '', createRemoteJWKSet(new URL(url))).then(
        () => true,
        () => false,
      ),
    ),
  );

// Each test makes several RSA keys, which takes seconds on a busy machine.
describe('keys in a state folder', () => {
  it('outlive restarts and rotations, in files for the owner only', async () => {
    const made = await during(tokens, stateDir);
    const after = await during(async (provider) => {
      await provider.access.rotate();
      await provider.auth0.rotate();
      return tokens(provider);
    }, stateDir);
    expect(await during((provider) => verifies(provider, made), stateDir)).toEqual([true, true]);
    expect(await during((provider) => verifies(provider, after), stateDir)).toEqual([true, true]);
    expect(readdirSync(stateDir).sort()).toEqual(['access-keys.json', 'auth0-keys.json']);
    for (const name of readdirSync(stateDir)) expect(statSync(join(stateDir, name)).mode & 0o777).toBe(0o600);
  });

  it('are made anew at each start without one', async () => {
    const made = await during(tokens);
    expect(await during((provider) => verifies(provider, made))).toEqual([false, false]);
  });

  it('stop the start when a file is damaged, naming it and showing none of it', async () => {
    await during(async () => undefined, stateDir);
    const path = join(stateDir, 'auth0-keys.json');
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, -2));
    await expect(during(tokens, stateDir)).rejects.toThrow(
      `key file ${path} is damaged; delete it to start with new keys`,
    );
  });
});
