import * as z from 'zod';
import { VALUES } from './describe-values.ts';
import { CallName } from './names.ts';

/**
 * The right that an inbound frame, a request or a tool of a model needs at an agent. `agent:rpc:<method>` names
 * one callable, `agent:tool:<name>` one tool, and `*` all. No other scope implies another.
 */
const SCOPE =
  /^agent:(connect|state:read|state:write|message|rpc:(\*|[A-Za-z_$][A-Za-z0-9_$]{0,127})|tool:(\*|[A-Za-z0-9_.-]{1,128}))$/;

export const Scope = z.string().regex(SCOPE).brand<'Scope'>();
export type Scope = z.infer<typeof Scope>;

/** For requested scopes and for the scope of a ticket, which are read by the same rule. */
export const SCOPE_LIST_MAX_CHARACTERS = 1024;

/** Space-separated scopes as in RFC 6749 §3.3: single spaces, none doubled, in any order. */
export const ScopeList = z
  .string()
  .max(SCOPE_LIST_MAX_CHARACTERS)
  .transform((text, ctx): Scope[] => {
    const scopes: Scope[] = [];
    for (const part of text.split(' ')) {
      const scope = Scope.safeParse(part);
      if (!scope.success) {
        ctx.addIssue({ code: 'custom', message: 'not a list of known scopes' });
        return z.NEVER;
      }
      if (!scopes.includes(scope.data)) scopes.push(scope.data);
    }
    return scopes;
  })
  .meta({
    [VALUES]: `scopes such as agent:message, with single spaces between them, at most ${SCOPE_LIST_MAX_CHARACTERS} characters`,
  });

const OF_CALLBACK = 'agent:callback:';

/**
 * The only right of a request that came by a callback: the callback's name. No {@link Scope}, so that neither a
 * role nor a ticket can hold it.
 */
export const CallbackScope = z
  .string()
  .refine(
    (text) => text.startsWith(OF_CALLBACK) && CallName.safeParse(text.slice(OF_CALLBACK.length)).success,
  )
  .brand<'CallbackScope'>();
export type CallbackScope = z.infer<typeof CallbackScope>;

export const callbackScope = (name: string): CallbackScope => CallbackScope.parse(`${OF_CALLBACK}${name}`);

export const CONNECT = Scope.parse('agent:connect');
export const STATE_READ = Scope.parse('agent:state:read');
export const STATE_WRITE = Scope.parse('agent:state:write');
export const MESSAGE = Scope.parse('agent:message');
export const RPC_ANY = Scope.parse('agent:rpc:*');
const TOOL_ANY = Scope.parse('agent:tool:*');

const named = (kind: 'rpc' | 'tool', name: string): Scope | undefined => {
  if (name === '*') return undefined;
  const scope = Scope.safeParse(`agent:${kind}:${name}`);
  return scope.success ? scope.data : undefined;
};

/** The scope that a call of `method` needs, or `undefined` where no scope can name it, so that it is refused. */
export const rpcScope = (method: string): Scope | undefined => named('rpc', method);

/** The scope that a tool needs which a model runs for a person, or `undefined` where no scope can name it. */
export const toolScope = (tool: string): Scope | undefined => named('tool', tool);

/** Whether the held scopes meet the needed one. The only implications are those of `*` over a single method or tool. */
export const covers = (held: readonly (Scope | CallbackScope)[], needed: Scope): boolean =>
  held.includes(needed) ||
  (needed.startsWith('agent:rpc:') && held.includes(RPC_ANY)) ||
  (needed.startsWith('agent:tool:') && held.includes(TOOL_ANY));

/**
 * Narrows the scopes of a role to the requested scopes. A request can only remove scopes; `agent:connect` always
 * remains. Returns `undefined` when a requested scope is outside the role.
 */
export function narrow(allowed: readonly Scope[], asked: readonly Scope[] | undefined): Scope[] | undefined {
  const wanted = asked === undefined ? allowed : asked;
  if (!wanted.every((scope) => scope === CONNECT || covers(allowed, scope))) return undefined;
  return [CONNECT, ...wanted.filter((scope) => scope !== CONNECT)];
}

export const formatScope = (scopes: readonly (Scope | CallbackScope)[]): string => scopes.join(' ');
