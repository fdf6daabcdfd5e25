/** The agent's answer; `undefined` when it failed, which is logged by kind: its words may hold anything. */
export async function askAgent(
  agent: { fetch(request: Request): Response | Promise<Response> },
  request: Request,
): Promise<Response | undefined> {
  try {
    const answer = await agent.fetch(request);
    // The SDK answers an exception with its stack.
    return answer.status >= 500 ? undefined : answer;
  } catch (error) {
    logFailure(error);
    return undefined;
  }
}

/** An error of the agent's code by its kind: its words may quote anything. */
export const logFailure = (error: unknown): void =>
  console.error(
    JSON.stringify({ event: 'agent_failed', error: error instanceof Error ? error.name : typeof error }),
  );
