/** What must not be inside a deployed worker. The input files are the proof; the texts catch what a copy would hide. */

export interface Forbidden<Pattern> {
  readonly found: Pattern;
  readonly because: string;
}

export interface BundleRules {
  readonly workspace: string;
  /** Input files that gave at least one byte to the bundle. */
  readonly inputs: readonly Forbidden<RegExp>[];
  readonly texts: readonly Forbidden<string>[];
}

const DEVELOPMENT_ONLY: readonly Forbidden<RegExp>[] = [
  { found: /^\.\.\/dev\//, because: 'development code is never deployed' },
  {
    found: /node_modules\/(oidc-provider|koa)\//,
    because: 'the identity provider stand-in is never deployed',
  },
  { found: /node_modules\/(vitest|miniflare|wrangler|drizzle-kit)\//, because: 'a tool is never deployed' },
];

const NATIVE_LIBSQL: readonly Forbidden<RegExp>[] = [
  {
    found: /node_modules\/(libsql|@libsql\/(linux|darwin|win32)[\w-]*|@neon-rs\/\w+)\//,
    because: 'native code does not load in a worker',
  },
  { found: /@libsql\/client\/.*\/(node|sqlite3)\.js$/, because: 'the file driver needs native code' },
];

export const BUNDLE_RULES: readonly BundleRules[] = [
  {
    workspace: 'agent-worker',
    inputs: [
      { found: /^\.\.\/broker\//, because: 'the code that makes tickets stays with the broker' },
      { found: /^\.\.\/drizzle\/control\//, because: "policy tables are the broker's alone" },
      {
        found: /node_modules\/jose\/.*(sign|encrypt|generate_key_pair|generate_secret)\.js$/,
        because: 'the agent worker verifies and never signs',
      },
      {
        found: /node_modules\/(openid-client|oauth4webapi|@auth0\/[\w-]+|@hono\/oidc-auth)\//,
        because: 'identity providers are met at the broker',
      },
      { found: /node_modules\/@libsql\//, because: 'the agent worker keeps its record in D1' },
      ...NATIVE_LIBSQL,
      ...DEVELOPMENT_ONLY,
    ],
    texts: [
      { found: 'SignJWT', because: 'signs tokens (jose)' },
      { found: 'importPKCS8', because: 'reads private keys (jose)' },
      { found: 'PRIVATE KEY', because: 'reads or holds a private key' },
      { found: 'cdn-cgi/access', because: 'reads the keys of Cloudflare Access' },
      { found: 'auth0', because: 'speaks to Auth0' },
      { found: 'oidc-provider', because: 'is the identity provider stand-in' },
    ],
  },
  {
    workspace: 'broker',
    inputs: [
      { found: /^\.\.\/agent-worker\//, because: 'the broker reaches the agent worker by its HTTP contract' },
      { found: /node_modules\/agents\//, because: 'agents run in the agent worker' },
      { found: /node_modules\/@hono\/node-server\//, because: 'only node.ts runs on Node' },
      ...NATIVE_LIBSQL,
      ...DEVELOPMENT_ONLY,
    ],
    texts: [{ found: 'oidc-provider', because: 'is the identity provider stand-in' }],
  },
];
