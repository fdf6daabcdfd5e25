/** The scope that a call needs, and whether a ticket has it. */
export function needOf(method: string, scope: string): { readonly needed: string; readonly held: boolean } {
  const needed = `agent:rpc:${method}`;
  return { needed, held: scope.split(' ').some((one) => one === needed || one === 'agent:rpc:*') };
}
