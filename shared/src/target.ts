import * as z from 'zod';
import { AgentSlug, InstanceName, KeyId, PrincipalId, SessionId } from './names.ts';

/** UUIDs are compared as text, and ours are lower case: another spelling of one must not name nothing. */
const LowerUuid = z.uuid().toLowerCase();

/** What sockets, or what future ones, a command or a lock is about. */
export const Target = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('principal'), id: PrincipalId }),
  z.strictObject({ kind: z.literal('agent'), agent: AgentSlug }),
  z.strictObject({ kind: z.literal('instance'), agent: AgentSlug, instance: InstanceName }),
  z.strictObject({ kind: z.literal('session'), id: LowerUuid.pipe(SessionId) }),
  z.strictObject({ kind: z.literal('service-token'), id: LowerUuid }),
  z.strictObject({ kind: z.literal('key'), kid: KeyId }),
  z.strictObject({ kind: z.literal('everything') }),
]);
export type Target = z.infer<typeof Target>;

/** How each kind of target is spelled. Here and nowhere else. */
const NAMES = {
  principal: (id: string) => `principal:${id}`,
  agent: (agent: string) => `agent:${agent}`,
  instance: (agent: string, instance: string) => `instance:${agent}/${instance}`,
  session: (id: string) => `session:${id}`,
  'service-token': (id: string) => `service-token:${id}`,
  key: (kid: string) => `key:${kid}`,
  everything: () => 'everything:',
} as const satisfies Record<Target['kind'], (...parts: string[]) => string>;

/** A target in its one canonical spelling, by which locks are stored and found. */
export function targetName(target: Target): string {
  switch (target.kind) {
    case 'principal':
    case 'session':
    case 'service-token':
      return NAMES[target.kind](target.id);
    case 'agent':
      return NAMES.agent(target.agent);
    case 'instance':
      return NAMES.instance(target.agent, target.instance);
    case 'key':
      return NAMES.key(target.kid);
    case 'everything':
      return NAMES.everything();
  }
}

/** The target that a name was made from. Throws on a name that {@link targetName} never made. */
export function readTargetName(name: string): Target {
  const colon = name.indexOf(':');
  const [kind, rest] = [name.slice(0, colon), name.slice(colon + 1)];
  const slash = rest.indexOf('/');
  switch (kind) {
    case 'agent':
      return Target.parse({ kind, agent: rest });
    case 'instance':
      return Target.parse({ kind, agent: rest.slice(0, slash), instance: rest.slice(slash + 1) });
    case 'key':
      return Target.parse({ kind, kid: rest });
    case 'everything':
      return Target.parse({ kind });
    default:
      return Target.parse({ kind, id: rest });
  }
}

/** The facts of a session, or of a request for one, that a lock can be about. */
export interface Targetable {
  readonly principal: string;
  /** Who acts for the principal or comes with it: whoever may not act here may not act for somebody else either. */
  readonly actors?: readonly string[] | undefined;
  readonly agent: string;
  readonly instance: string;
  readonly session?: string;
  readonly kid?: string;
}

const SERVICE_TOKEN = /^token:(.+)$/;

/** The names of the targets that are one principal itself: a service token has two. */
export function targetNamesOfPrincipal(principal: string): string[] {
  const token = SERVICE_TOKEN.exec(principal)?.[1];
  return [NAMES.principal(principal), ...(token === undefined ? [] : [NAMES['service-token'](token)])];
}

/** The service token that a target is, by either of its names. */
export const serviceTokenOf = (target: Target): string | undefined => {
  if (target.kind === 'service-token') return target.id;
  return target.kind === 'principal' ? SERVICE_TOKEN.exec(target.id)?.[1] : undefined;
};

/** The names of the targets that are a place, or everything. */
export const targetNamesOfPlace = ({ agent, instance }: Pick<Targetable, 'agent' | 'instance'>): string[] => [
  NAMES.everything(),
  NAMES.agent(agent),
  NAMES.instance(agent, instance),
];

/** The names of every target that would hit this session or request. */
export const targetNamesOf = (hit: Targetable): string[] => [
  ...targetNamesOfPlace(hit),
  ...[hit.principal, ...(hit.actors ?? [])].flatMap(targetNamesOfPrincipal),
  ...(hit.session === undefined ? [] : [NAMES.session(hit.session)]),
  ...(hit.kid === undefined ? [] : [NAMES.key(hit.kid)]),
];
