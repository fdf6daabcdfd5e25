/** The suites of the proof: the subject and the test files of each. Files of one project run together. */
export interface Suite {
  readonly name: string;
  readonly files: readonly File[];
}

export interface File {
  readonly workspace: 'shared' | 'broker' | 'agent-worker' | 'dev';
  /** Project of vitest. Undefined: the workspace has only one. */
  readonly project?: string;
  /** Beginning of the paths, relative to the workspace. */
  readonly path: string;
}

const shared = (...paths: readonly string[]): readonly File[] =>
  paths.map((path) => ({ workspace: 'shared', path: `src/${path}` }));
const gate = (...paths: readonly string[]): readonly File[] =>
  paths.map((path) => ({ workspace: 'agent-worker', project: 'agent-worker', path: `test/${path}` }));
const broker = (...paths: readonly string[]): readonly File[] =>
  paths.map((path) => ({ workspace: 'broker', project: 'broker', path: `test/${path}` }));
const node = (...paths: readonly string[]): readonly File[] =>
  paths.map((path) => ({ workspace: 'broker', project: 'broker-node', path: `test/node/${path}` }));
const dev = (...paths: readonly string[]): readonly File[] =>
  paths.map((path) => ({ workspace: 'dev', project: 'dev', path }));
const stack = (...paths: readonly string[]): readonly File[] =>
  paths.map((path) => ({ workspace: 'dev', project: 'e2e', path: `e2e/${path}` }));

export const SUITES: readonly Suite[] = [
  { name: 'the verifier of tickets', files: shared('verify-ticket', 'own-jws', 'key-set', 'handshake') },
  {
    name: 'published test vectors',
    files: [...shared('vectors-'), ...gate('gate-corpus'), ...broker('naughty')],
  },
  {
    name: 'bad tickets and odd requests at the gate',
    files: gate('gate-tickets', 'gate-places', 'gate-order', 'odd-requests', 'forgery', 'bodies'),
  },
  { name: 'one use of a ticket', files: [...gate('admission', 'burns', 'replay'), ...stack('race')] },
  {
    name: 'frames and renewal',
    files: [...gate('frames', 'odd-frames', 'renewal', 'refusals', 'overrides'), ...stack('raw-sockets')],
  },
  {
    name: 'callbacks',
    files: gate('callback-attacks', 'callback-signatures', 'callback-limits', 'mcp-oauth'),
  },
  { name: 'commands of the broker', files: [...gate('control'), ...node('control-token')] },
  {
    name: 'credentials',
    files: [
      ...broker('credentials', 'access', 'key-forgery'),
      ...node('foreign', 'workload', 'credential-pairs'),
      ...dev('identity-faults'),
    ],
  },
  { name: 'OAuth endpoints and events', files: node('token', 'caep-') },
  { name: 'rights of operators', files: node('admin') },
  { name: 'sign-ins and sign-outs', files: node('auth0-session') },
  { name: 'origins', files: [...broker('cors'), ...stack('origins')] },
  {
    name: 'floods and limits',
    files: [...broker('flood', 'limits', 'call-limits'), ...gate('flood', 'limits')],
  },
  {
    name: 'secrecy',
    files: [...broker('secrecy'), ...gate('secrecy'), ...node('secrecy'), ...stack('secrecy')],
  },
  { name: 'the audit log', files: [...broker('audit-proof', 'audit-sealer'), ...dev('second-verifier')] },
  { name: 'raw bytes at three servers', files: stack('attacks') },
  {
    name: 'requests from the OpenAPI documents',
    files: [...node('routes-properties'), ...gate('routes-properties')],
  },
  { name: 'the conformance kit', files: stack('conformance') },
];
