import type { JWK } from 'jose';

/** Data of the main process for the workers that run the tests. */
export interface Place {
  /** Contains the databases and objects of the stack, and `workers.log`. */
  readonly folder: string;
  /** URL of the server in `desk.ts`. */
  readonly desk: string;
  /** Decrypts the broker's signing keys. */
  readonly keyEncryptionKey: string;
  /** The private key, as a JWK, of the GitHub that the stack's broker has registered. */
  readonly githubKey: JWK;
}
