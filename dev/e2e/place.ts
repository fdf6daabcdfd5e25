/** Where test workers find what the main process holds. */
export interface Place {
  /** Holds the databases and objects of the stack, and `workers.log`. */
  readonly folder: string;
  /** URL of the desk. */
  readonly desk: string;
  /** Opens the broker's signing keys. */
  readonly keyEncryptionKey: string;
}
