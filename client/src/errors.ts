interface RefusalDetails {
  /** HTTP status of the broker, or the one that the close code of a socket corresponds to. */
  readonly status: number;
  /** The broker's error code (`FORBIDDEN`), or the close reason of the agent worker (`forbidden`). */
  readonly code: string;
  /** For a developer. */
  readonly message?: string;
  /** Identifies the refusal in the broker's log. The operator of the broker will ask for it. */
  readonly requestId?: string | null;
  /** Address for a sign-in at the broker, which redirects back. Absent if the app itself holds the credential. */
  readonly signInUrl?: string | undefined;
}

/**
 * A lasting refusal: the same request would get the same answer, so the provider does not repeat it. This class itself
 * means a mistake in the configuration, such as an agent that does not exist. Contains no ticket and no credential.
 */
export class TicketRefused extends Error {
  override name = 'TicketRefused';
  declare readonly status: number;
  declare readonly code: string;
  declare readonly requestId?: string | null;
  declare readonly signInUrl?: string | undefined;

  constructor(details: RefusalDetails, options?: ErrorOptions) {
    super(details.code, options);
    Object.assign(this, details);
  }
}

/** 401: nobody is signed in, or the sign-in has ended. Send the person to `signInUrl`. */
export class SignInRequired extends TicketRefused {
  override name = 'SignInRequired';
}

/** 403: the person is signed in, but lacks the right. A new sign-in as the same person changes nothing. */
export class Forbidden extends TicketRefused {
  override name = 'Forbidden';
}

/** No answer in time: the broker or the network is unavailable. This is not a refusal, and the provider retries. */
export class TicketUnavailable extends Error {
  override name = 'TicketUnavailable';
  /** The broker's `Retry-After`, in ms. */
  readonly retryAfterMs: number = 0;
}
