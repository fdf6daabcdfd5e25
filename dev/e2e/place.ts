import type { JWK } from 'jose';

/** Where test workers find what the main process holds. */
export interface Place {
  /** Holds the databases and objects of the stack, and `workers.log`. */
  readonly folder: string;
  /** URL of the desk. */
  readonly desk: string;
  /** Opens the broker's signing keys. */
  readonly keyEncryptionKey: string;
  /** The private key, as a JWK, of the GitHub that the stack's broker has registered. */
  readonly githubKey: JWK;
}
