const PREFIX = 'anonymous:';

/** The id of a principal that presented no credential. Nothing can be granted to it, and its sessions do not renew. */
export const anonymousId = (name: string): string => PREFIX + name;

export const isAnonymous = (principal: string): boolean => principal.startsWith(PREFIX);
