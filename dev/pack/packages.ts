/** A file or folder of a package: where it is, from the top folder, and its name in the package. */
type Copied = readonly [from: string, to: string];

/** What the manifest of a workspace does not say of the package that is made of it. */
export interface PackageSpec {
  readonly workspace: string;
  readonly copied?: readonly Copied[];
  /** Declarations that its sources are compiled with and that are not part of it, from the top folder. */
  readonly ambient?: readonly string[];
}

const RECORD_MIGRATIONS: Copied = ['drizzle/record/migrations', 'record/migrations'];

/** Everything that is published. `shared` and `drizzle` are bundled into these and never published themselves. */
export const PACKAGES: readonly PackageSpec[] = [
  { workspace: 'client' },
  {
    workspace: 'agent-worker',
    copied: [RECORD_MIGRATIONS, ['agent-worker/openapi.json', 'openapi.json']],
    ambient: ['agent-worker/library-env.d.ts'],
  },
  {
    workspace: 'broker',
    copied: [
      ['drizzle/control/migrations', 'control/migrations'],
      RECORD_MIGRATIONS,
      ['broker/console/dist', 'console'],
    ],
  },
  { workspace: 'cli' },
];
