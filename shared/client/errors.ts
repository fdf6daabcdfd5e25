export interface RefusalFacts {
  /** HTTP status of the broker, or the one that the close code of a socket stands for. */
  readonly status: number;
  /** The broker's error code (`FORBIDDEN`), or the close reason of the agent worker (`forbidden`). */
  readonly code: string;
  /** For a developer. */
  readonly message?: string;
  /** Names the refusal in the broker's log; its operator will ask for it. */
  readonly requestId?: string | null;
  /** Where a person signs in at the broker and is led back from; absent where the app holds the credential itself. */
  readonly signInUrl?: string | undefined;
}

/**
 * A lasting refusal: the same question would get the same answer, so nothing asks again by itself. In this class
 * alone it means a mistake in the set-up, such as an agent that does not exist. Holds no ticket and no credential.
 */
export class TicketRefused extends Error {
  override name = 'TicketRefused';
  declare readonly status: number;
  declare readonly code: string;
  declare readonly requestId?: string | null;
  declare readonly signInUrl?: string | undefined;

  constructor(facts: RefusalFacts, options?: ErrorOptions) {
    super(facts.code, options);
    Object.assign(this, facts);
  }
}

/** 401: nobody is signed in, or not any more. Send the person to `signInUrl`. */
export class SignInRequired extends TicketRefused {
  override name = 'SignInRequired';
}

/** 403: the person is known and may not. Signing in again as the same person changes nothing. */
export class Forbidden extends TicketRefused {
  override name = 'Forbidden';
}

/** No answer in time: broker or network away. Not a refusal; trying again is right, and the provider does. */
export class TicketUnavailable extends Error {
  override name = 'TicketUnavailable';
  /** The broker's own word on when to ask again, in ms. */
  readonly retryAfterMs: number = 0;
}

/** The class that goes with a status. */
export function refusalOf(facts: RefusalFacts, options?: ErrorOptions): TicketRefused {
  const Refusal = { 401: SignInRequired, 403: Forbidden }[facts.status] ?? TicketRefused;
  return new Refusal(facts, options);
}

/** The agent worker's final closes are 4000 and the last two digits of the status they stand for. */
export const CLOSE_OF_STATUS = 4000 - 400;

/** The status that a final close of the agent worker stands for; `undefined` for closes that are none of ours. */
export const statusOfClose = (code: number): number | undefined =>
  code >= 4000 && code < 4005 ? code - CLOSE_OF_STATUS : undefined;
