/** What the running test wrote to the console or gave a broker's log to write. */
export const printed: string[] = [];
