import type { Query } from '../route.ts';

/** A service token, the id of a principal, which names its issuer, or else a label. */
export function personQuery(person: string | undefined): Query {
  if (person === undefined) return {};
  if (person.startsWith('svc_')) return { service_token: person };
  return /^(access|auth0|oidc|token|anonymous):/.test(person) ? { principal: person } : { label: person };
}

/** The selector of a filter, where it names one target whose sessions can all be ended. */
export function selectorOf({ person, agent, instance, ip_address: address }: Query): Query | undefined {
  const selectors = [
    ...(person === undefined ? [] : [personQuery(person)]),
    ...(agent === undefined ? [] : [{ agent, ...(instance !== undefined && { instance }) }]),
    ...(address === undefined ? [] : [{ ip_address: address }]),
  ];
  return selectors.length === 1 ? selectors[0] : undefined;
}
