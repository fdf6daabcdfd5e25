/** One issuer whose tokens are taken, as the settings describe it. */
export interface ForeignIssuer {
  /** `access:<team domain>` or `auth0:<domain>`: how principal ids begin. */
  readonly namespace: string;
  /** Exactly `iss`. */
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly keysUrl: string;
}

export interface IssuerSettings {
  readonly domains: readonly string[];
  /** `aud`, or `<domain>|<aud>`; with several domains each says whose it is. */
  readonly audiences: readonly string[];
  /** In the order of the domains; left out: where the platform has them. */
  readonly keyUrls: readonly string[] | undefined;
}

interface Platform {
  readonly prefix: 'access' | 'auth0';
  readonly issuerOf: (domain: string) => string;
  readonly keysOf: (domain: string) => string;
}

export const ACCESS: Platform = {
  prefix: 'access',
  issuerOf: (domain) => `https://${domain}`,
  keysOf: (domain) => `https://${domain}/cdn-cgi/access/certs`,
};

export const AUTH0: Platform = {
  prefix: 'auth0',
  issuerOf: (domain) => `https://${domain}/`,
  keysOf: (domain) => `https://${domain}/.well-known/jwks.json`,
};

/** Why the lists do not fit each other, or `undefined` when they do. */
export function issuerFault({ domains, audiences, keyUrls }: IssuerSettings): string | undefined {
  const owners = audiences.map((entry) =>
    entry.includes('|') ? entry.slice(0, entry.indexOf('|')) : undefined,
  );
  const owned = (domain: string): boolean => owners.some((owner) => owner === domain || owner === undefined);
  if (domains.length === 0) return 'needs the domain that it goes with';
  if (audiences.length === 0) return 'every domain needs an audience';
  if (new Set(domains).size !== domains.length) return 'a domain is listed twice';
  if (domains.length > 1 && owners.includes(undefined))
    return 'with several domains write every audience as <domain>|<audience>';
  if (owners.some((owner) => owner !== undefined && !domains.includes(owner)))
    return 'an audience names a domain that is not listed';
  if (!domains.every(owned)) return 'every domain needs an audience';
  return keyUrls !== undefined && keyUrls.length !== domains.length
    ? 'needs one key URL for each domain, in order'
    : undefined;
}

export const foreignIssuers = (platform: Platform, settings: IssuerSettings): ForeignIssuer[] =>
  settings.domains.map((domain, index) => ({
    namespace: `${platform.prefix}:${domain}`,
    issuer: platform.issuerOf(domain),
    audiences: settings.audiences
      .filter((entry) => !entry.includes('|') || entry.startsWith(`${domain}|`))
      .map((entry) => entry.slice(entry.indexOf('|') + 1)),
    keysUrl: settings.keyUrls?.[index] ?? platform.keysOf(domain),
  }));
