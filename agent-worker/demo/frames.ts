/** The frames of the Agents SDK that the page shows in words. Others are shown as they are. */
export type Heard =
  | { readonly kind: 'state'; readonly state: unknown }
  | { readonly kind: 'answer'; readonly id: string; readonly ok: boolean; readonly result: unknown }
  | { readonly kind: 'other' };

export function hear(frame: string): Heard {
  const { type, state, id, success, result, error } = members(frame);
  if (type === 'cf_agent_state') return { kind: 'state', state };
  if (type === 'rpc' && typeof id === 'string')
    return { kind: 'answer', id, ok: success === true, result: success === true ? result : error };
  return { kind: 'other' };
}

export const call = (id: string, method: string): string =>
  JSON.stringify({ type: 'rpc', id, method, args: [] });

function members(frame: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(frame);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
