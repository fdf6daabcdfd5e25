/** A request that the stand-in will not serve, and why; anything else thrown is a bug and answers 500. */
export class Refusal extends Error {
  readonly status: number;
  /** The part of the request body that is wrong, when one is. */
  readonly field: string | undefined;

  constructor(status: number, message: string, field?: string) {
    super(message);
    this.status = status;
    this.field = field;
  }
}
