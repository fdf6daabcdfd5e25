import { Target } from '@agent-ticket/shared/control.ts';

/** A stored target name as the object it was made from. Throws on a name that `targetName` never made. */
export function targetView(name: string): Target {
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
