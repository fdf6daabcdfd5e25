import { join } from 'node:path';
import { readKeyFile, writeKeyFile } from './key-file.ts';
import {
  makeSigningKey,
  type NameKey,
  openSigningKey,
  type RsaPrivateJwk,
  type SigningKey,
} from './signing-key.ts';

/** Two published keys: the first signs, the second lets tokens from before the last rotation still verify. */
export interface KeyRing {
  keys(): readonly [current: SigningKey, previous: SigningKey];
  /** A new key signs from now on; tokens two rotations old stop verifying. */
  rotate(): Promise<void>;
}

export interface KeyRingOptions {
  /** Name of the file within `stateDir`, without its ending. */
  name: string;
  nameKey: NameKey;
  stateDir: string | undefined;
}

export async function openKeyRing({ name, nameKey, stateDir }: KeyRingOptions): Promise<KeyRing> {
  const path = stateDir === undefined ? undefined : join(stateDir, `${name}.json`);
  const stored = path === undefined ? undefined : readKeyFile(path);
  const open = (jwk: RsaPrivateJwk | undefined) =>
    jwk ? openSigningKey(jwk, nameKey) : makeSigningKey(nameKey);
  let [current, previous] = await Promise.all([open(stored?.[0]), open(stored?.[1])]);

  const keep = () => {
    if (path !== undefined) writeKeyFile(path, [current.jwk, previous.jwk]);
  };
  if (!stored) keep();
  return {
    keys: () => [current, previous],
    async rotate() {
      const next = await makeSigningKey(nameKey);
      // No await from here on, so that two rotations at once still leave file and memory alike.
      [current, previous] = [next, current];
      keep();
    },
  };
}
