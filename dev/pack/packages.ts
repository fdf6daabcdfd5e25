/** A file or folder of a package: where it is, from the top folder, and its name in the package. */
type Copied = readonly [from: string, to: string];

export interface PackageSpec {
  readonly name: string;
  readonly description: string;
  /** The workspace that it is made of; its manifest has the version and the dependencies. */
  readonly workspace: string;
  /** Each entry with its source, from the top folder. */
  readonly entries: Readonly<Record<string, string>>;
  /** Commands with the entry that they run. */
  readonly bin?: Readonly<Record<string, string>>;
  /** Packages that an app has itself, with the versions that work, and whether it may lack them. */
  readonly peers?: Readonly<Record<string, { readonly range: string; readonly optional?: true }>>;
  readonly copied?: readonly Copied[];
  /** The least Node, for what runs on Node. */
  readonly node: string;
  /** Declarations that its sources are compiled with and that are not part of it, from the top folder. */
  readonly ambient?: readonly string[];
  /** Global types that its sources are compiled with. */
  readonly types: readonly string[];
  readonly libraries: readonly string[];
}

const WORKERS = ['@cloudflare/workers-types', '@types/node'];
const LANGUAGE = ['ES2023', 'ES2024.String'];

/** Everything that is published. `shared` and `drizzle` are bundled into these and never published themselves. */
export const PACKAGES: readonly PackageSpec[] = [
  {
    name: '@agent-ticket/client',
    description: 'Gets tickets for useAgent, AgentClient and plain WebSockets, and renews their sessions.',
    workspace: 'client',
    entries: {
      '.': 'client/src/provider.ts',
      './closes': 'client/src/closes.ts',
      './react': 'client/src/react.ts',
      './vue': 'client/src/vue.ts',
      './svelte': 'client/src/svelte.ts',
    },
    peers: {
      react: { range: '>=18.2.0 <20', optional: true },
      vue: { range: '>=3.3.0 <4', optional: true },
    },
    node: '>=20',
    types: [],
    libraries: [...LANGUAGE, 'DOM', 'DOM.Iterable'],
  },
  {
    name: '@agent-ticket/agent-worker',
    description:
      'Admits WebSockets and requests to Cloudflare Agents by tickets: the gate, the mixin, the registry.',
    workspace: 'agent-worker',
    entries: {
      '.': 'agent-worker/src/library.ts',
      './registry': 'shared/src/registry.ts',
    },
    peers: { agents: { range: '>=0.25.0 <1' } },
    ambient: ['agent-worker/library-env.d.ts'],
    copied: [['drizzle/record/migrations/0000_init.sql', 'record/migrations/0000_init.sql']],
    node: '>=20',
    types: WORKERS,
    libraries: LANGUAGE,
  },
  {
    name: '@agent-ticket/broker',
    description: 'Exchanges identities for tickets to Cloudflare Agents, on Workers and on Node.',
    workspace: 'broker',
    entries: {
      '.': 'broker/src/open-broker.ts',
      './node': 'broker/src/node.ts',
    },
    bin: { 'agent-ticket-broker': './node' },
    copied: [
      ['drizzle/control/migrations', 'control/migrations'],
      ['drizzle/record/migrations', 'record/migrations'],
    ],
    node: '>=22.18',
    types: WORKERS,
    libraries: LANGUAGE,
  },
  {
    name: 'agent-ticket',
    description: 'The command line of the agent ticket broker.',
    workspace: 'cli',
    entries: { '.': 'cli/src/node.ts' },
    bin: { 'agent-ticket': '.' },
    node: '>=22.18',
    types: WORKERS,
    libraries: LANGUAGE,
  },
];
