/** Every route of the gate. All other routes belong to the Worker. */

export interface GateRoute {
  /** Paths that exist, for the OpenAPI document. `:rest` stands for one segment or more. */
  readonly paths: readonly string[];
  readonly methods: readonly string[];
  /** Whether the gate answers at a path, if only with 404. */
  readonly isOurs: (pathname: string) => boolean;
}

/** Plain requests that only read (RFC 9110 §9.2.1). */
export const READS: readonly string[] = ['GET', 'HEAD'];

const INSTANCE = '/agents/:agent/:instance';

/** The well-known part comes before the path of the resource (RFC 9728 §3.1). */
export const WELL_KNOWN = '/.well-known/oauth-protected-resource';

export const ROUTES = {
  /** OPTIONS is the gate's own, and an upgrade is a GET (RFC 6455 §4.1). */
  agent: {
    paths: [INSTANCE, `${INSTANCE}/:rest`],
    methods: [...READS, 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    isOurs: (pathname) => pathname === '/agents' || pathname.startsWith('/agents/'),
  },
  control: { paths: ['/control'], methods: ['POST'], isOurs: (pathname) => pathname === '/control' },
  metadata: {
    paths: [`${WELL_KNOWN}${INSTANCE}`, `${WELL_KNOWN}${INSTANCE}/:endpoint`],
    methods: [...READS, 'OPTIONS'],
    isOurs: (pathname) => pathname.startsWith(`${WELL_KNOWN}/agents/`),
  },
} as const satisfies Readonly<Record<string, GateRoute>>;
export type GateRouteName = keyof typeof ROUTES;

/** The route that answers at a path; `undefined`: the Worker itself answers. */
export const routeAt = (pathname: string): GateRouteName | undefined =>
  NAMES.find((name) => ROUTES[name].isOurs(pathname));
const NAMES = ['agent', 'control', 'metadata'] as const satisfies readonly GateRouteName[];
