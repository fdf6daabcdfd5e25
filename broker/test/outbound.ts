type Serve = () => Response | Promise<Response>;

const served = new Map<string, Serve>();

/** Everything outside. What no test serves does not exist, and asking for it fails the test. */
export const outbound = {
  asked: [] as string[],
  unexpected: [] as string[],

  /** Answers an address from here to the end of the test. */
  serve(url: string, answer: Serve): void {
    served.set(url, answer);
  },

  async fetch(url: string): Promise<Response> {
    this.asked.push(url);
    const answer = served.get(url);
    if (answer !== undefined) return answer();
    this.unexpected.push(url);
    throw new TypeError('nothing is there');
  },

  reset(): void {
    served.clear();
    this.asked.length = 0;
    this.unexpected.length = 0;
  },
};
