import type { Authenticated } from './principal.ts';

/** The canonical spelling of what a lock refuses. */
export const lockTarget = {
  everything: 'everything:',
  principal: (id: string) => `principal:${id}`,
  agent: (slug: string) => `agent:${slug}`,
  instance: (slug: string, instance: string) => `instance:${slug}/${instance}`,
  serviceToken: (id: string) => `service-token:${id}`,
} as const;

const SERVICE_TOKEN = /^token:(.+)$/;

/** Every target whose lock would refuse this request. */
export function lockTargets(
  { principal }: Authenticated,
  request: { agent: string; instance: string },
): string[] {
  const token = SERVICE_TOKEN.exec(principal.id)?.[1];
  return [
    lockTarget.everything,
    lockTarget.principal(principal.id),
    lockTarget.agent(request.agent),
    lockTarget.instance(request.agent, request.instance),
    ...(token === undefined ? [] : [lockTarget.serviceToken(token)]),
  ];
}
