import { readdir, readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { hasCode } from 'agent-ticket/src/error-code.ts';
import * as z from 'zod';
import type { Fault } from './report.ts';

interface Forbidden<Pattern> {
  readonly found: Pattern;
  readonly because: string;
}

interface BundleRules {
  readonly workspace: string;
  /** What the worker may weigh, compressed: a change that adds a tenth is a decision and not an accident. */
  readonly gzipBytesMax: number;
  /** Input files that gave at least one byte to the bundle. */
  readonly inputs: readonly Forbidden<RegExp>[];
  readonly texts: readonly Forbidden<string>[];
}

const DEVELOPMENT_ONLY: readonly Forbidden<RegExp>[] = [
  { found: /^\.\.\/(dev|cli)\//, because: 'development code is never deployed' },
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

/** Code that a deployed worker must not contain. The texts find code that was copied from a forbidden input. */
export const BUNDLE_RULES: readonly BundleRules[] = [
  {
    workspace: 'agent-worker',
    gzipBytesMax: 950_000,
    inputs: [
      { found: /^\.\.\/broker\//, because: 'the code that makes tickets stays with the broker' },
      { found: /^\.\.\/drizzle\/control\//, because: "policy tables are the broker's alone" },
      {
        found: /node_modules\/jose\/.*(sign|encrypt|generate_key_pair|generate_secret)\.js$/,
        because: 'the agent worker verifies and never signs',
      },
      {
        found: /node_modules\/(openid-client|oauth4webapi|@auth0\/[\w-]+|@hono\/oidc-auth)\//,
        because: 'only the broker speaks to identity providers',
      },
      { found: /node_modules\/@libsql\//, because: 'the agent worker keeps its record in D1' },
      ...NATIVE_LIBSQL,
      ...DEVELOPMENT_ONLY,
    ],
    texts: [
      { found: 'SignJWT', because: 'signs tokens (jose)' },
      { found: 'importPKCS8', because: 'reads private keys (jose)' },
      { found: 'PRIVATE KEY', because: 'reads or contains a private key' },
      { found: 'cdn-cgi/access', because: 'reads the keys of Cloudflare Access' },
      { found: 'auth0', because: 'speaks to Auth0' },
      { found: 'oidc-provider', because: 'is the identity provider stand-in' },
    ],
  },
  {
    workspace: 'broker',
    // 7 kB of it are the OpenAPI document.
    gzipBytesMax: 190_000,
    inputs: [
      { found: /^\.\.\/agent-worker\//, because: 'the broker reaches the agent worker by its HTTP contract' },
      { found: /node_modules\/agents\//, because: 'agents run in the agent worker' },
      { found: /node_modules\/@hono\/node-server\//, because: 'only node.ts runs on Node' },
      {
        found: /^src\/openapi\/(?!generated\.ts$)/,
        because: 'the OpenAPI document is made before, and no broker validates its own answers',
      },
      { found: /^console\//, because: 'the console is files beside the worker' },
      ...NATIVE_LIBSQL,
      ...DEVELOPMENT_ONLY,
    ],
    texts: [{ found: 'oidc-provider', because: 'is the identity provider stand-in' }],
  },
];

const Metafile = z.object({
  outputs: z.record(
    z.string(),
    z.object({ inputs: z.record(z.string(), z.object({ bytesInOutput: z.number() })) }),
  ),
});

export interface Bundle {
  readonly inputs: readonly string[];
  readonly text: string;
}

/** Input files of a bundler's report that gave bytes to the output; unused inputs are left out. */
export function inputsOf(metafile: string): string[] {
  const outputs = Object.values(Metafile.parse(JSON.parse(metafile)).outputs);
  const used = outputs.flatMap(({ inputs }) => Object.entries(inputs));
  return [...new Set(used.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([name]) => name))];
}

export function bundleFaults(rules: BundleRules, bundle: Bundle): Fault[] {
  const file = `${rules.workspace}/dist`;
  // A report in another form, or of another build, would pass every rule below.
  if (!bundle.inputs.some((input) => input.startsWith('src/')))
    return [{ file, message: 'the report of inputs does not name the sources of this workspace' }];
  const gzipBytes = gzipSync(bundle.text, { level: 9 }).length;
  return [
    ...(gzipBytes <= rules.gzipBytesMax
      ? []
      : [{ file, message: `weighs ${gzipBytes} bytes compressed, more than ${rules.gzipBytesMax}` }]),
    ...rules.inputs.flatMap(({ found, because }) =>
      bundle.inputs
        .filter((input) => found.test(input))
        .map((input) => ({ file, message: `contains ${input}: ${because}` })),
    ),
    ...rules.texts
      .filter(({ found }) => bundle.text.includes(found))
      .map(({ found, because }) => ({ file, message: `contains the text "${found}": ${because}` })),
  ];
}

/** Reads the output of `wrangler deploy --dry-run --outdir dist --metafile`. Throws when there is none. */
export async function readBundle(folder: string): Promise<Bundle> {
  const names = await readdir(folder).catch((error: unknown): string[] => {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  });
  const scripts = names.filter((name) => name.endsWith('.js'));
  if (scripts.length === 0) throw new Error(`no bundle in ${folder}: the dry run left none`);
  if (!names.includes('bundle-meta.json'))
    throw new Error(`no bundle-meta.json in ${folder}: the build script must pass --metafile to wrangler`);
  const texts = await Promise.all(scripts.map((name) => readFile(`${folder}/${name}`, 'utf8')));
  return { inputs: inputsOf(await readFile(`${folder}/bundle-meta.json`, 'utf8')), text: texts.join('\n') };
}
