/**
 * Lets everything else that waits have its turn, by a task of its own: on Node a database answers within the same turn, so
 * that a loop over pages would stop all requests until it is done.
 */
export const yieldTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
