import { globalsOf } from './globals.ts';
import type { Fault } from './report.ts';
import { lineOf, type SourceFile } from './repository.ts';
import { isCode, parseCode, type Specifier, specifiersOf, targetOf } from './syntax.ts';

/** The files that name a runtime: where a worker, a process or a database connection begins. */
const ENTRIES = /(^|\/)(index|node|open-[\w-]+)\.ts$/;
/** Never part of a deployed worker. */
const NOT_DEPLOYED =
  /(^|\/)test\/|\.test\.ts$|(^|\/)test-[\w-]+\.ts$|(^|\/)[\w.-]+\.config\.ts$|^(dev|openapi-types|cli\/src\/identity-provider)\//;

/** Files that declare a Durable Object class, which exists only in the Workers runtime, each with the reason. */
const DURABLE_OBJECT_FILES: Readonly<Record<string, string>> = {
  'broker/src/mint/shard-object.ts':
    'the mint shard, which stores rate counts and the audit events of mints first',
  'agent-worker/src/recorder.ts':
    "the recorder, which writes the facts of the agents' objects to the record database",
};

/** Files that may name a module of Node that Workers have too, each with the reason. */
const NODE_FILES: Readonly<Record<string, string>> = {
  'agent-worker/src/ticketed/caller.ts':
    'whose message code handles, across its awaits, as the Agents SDK knows its own context',
  'broker/src/audit/chain.ts':
    'a chain of hashes, for which the asynchronous hash of WebCrypto is ten times as slow',
};

interface Rule {
  readonly files: RegExp;
  /** Files that the rule does not bind: patterns, or exact paths. */
  readonly except?: readonly (RegExp | string)[];
  readonly because: string;
}

interface ImportRule extends Rule {
  /** Refused targets: a path relative to the top folder, `node:…`, `cloudflare:…`, `npm:<package>`, `outside:…`, `computed:`. */
  readonly imports: RegExp;
}

interface GlobalRule extends Rule {
  readonly globals: readonly string[];
}

/** The allowed direction of imports. To change it, change a row and its reason. */
const IMPORT_RULES: readonly ImportRule[] = [
  {
    files: /^shared\//,
    imports: /^(drizzle|broker|agent-worker|client|cli|dev)\//,
    because: 'shared imports no other workspace',
  },
  {
    files: /^shared\//,
    except: [NOT_DEPLOYED],
    imports: /^(node|cloudflare):|^npm:(?!(jose|zod)(\/|$))/,
    because: 'shared runs in every runtime: it takes jose and zod, everything else is a parameter',
  },
  {
    files: /^drizzle\//,
    imports: /^(broker|agent-worker|client|cli|dev)\//,
    because: 'drizzle imports only shared',
  },
  {
    files: /^client\//,
    imports: /^(drizzle|broker|agent-worker|cli|dev)\//,
    because: 'the client imports only shared: it calls both workers over the network',
  },
  {
    files: /^cli\//,
    imports: /^(drizzle|agent-worker|dev)\//,
    because:
      'the command line is a client of both workers; of the broker it takes the OpenAPI document, the proof of the audit log, the making of service tokens and the reading of credentials',
  },
  {
    files: /^client\//,
    except: [NOT_DEPLOYED],
    imports: /^(node|cloudflare):|^npm:(?!(react|vue)(\/|$))/,
    because:
      'the client runs in browsers, Node, Deno and Bun, and takes no package but the framework of its entry',
  },
  {
    files: /^drizzle\//,
    imports: /^npm:(hono|@hono\/|agents)(\/|$)/,
    because: 'drizzle contains tables and queries, no HTTP and no agents',
  },
  {
    files: /^broker\//,
    imports: /^(agent-worker|client|cli|dev)\//,
    because: 'the broker imports shared and drizzle; it calls the agent worker by its HTTP contract',
  },
  {
    files: /^agent-worker\//,
    imports: /^(broker|cli|dev)\//,
    because: 'the agent worker imports shared and drizzle; it takes tickets and has no code that makes them',
  },
  {
    files: /^agent-worker\//,
    imports: /^drizzle\/control\//,
    because: "policy tables are the broker's alone, so that agent code cannot forge policy",
  },
  {
    files: /./,
    except: [ENTRIES, NOT_DEPLOYED, ...Object.keys(NODE_FILES)],
    imports: /^node:|^npm:(@hono\/node-server|@libsql\/|libsql(\/|$)|drizzle-orm\/(d1|libsql)(\/|$))/,
    because: 'only index.ts, node.ts, open-*.ts and the listed files name a runtime',
  },
  {
    files: /./,
    except: [ENTRIES, NOT_DEPLOYED, ...Object.keys(DURABLE_OBJECT_FILES)],
    imports: /^cloudflare:/,
    because: 'only index.ts, open-*.ts and the listed Durable Object classes name the Workers runtime',
  },
  {
    files: /./,
    except: [/^(dev|openapi-types)\//],
    imports: /^openapi-types\//,
    because: 'it works on another compiler than the project, and only `npm run docs` needs it',
  },
  { files: /./, imports: /^outside:/, because: 'a clone has no files outside of the repository' },
  {
    files: /./,
    // The registry of a broker on Node is a file of its operator.
    except: [NOT_DEPLOYED, 'broker/src/runtime/node/open-agents.ts'],
    imports: /^computed:/,
    because: 'neither this check nor the bundler can see a computed import',
  },
];

const GLOBAL_RULES: readonly GlobalRule[] = [
  {
    files: /^shared\//,
    except: [NOT_DEPLOYED],
    globals: [
      ...['fetch', 'setTimeout', 'setInterval', 'console'],
      ...['Date.now', 'new Date()', 'Date()', 'performance.now'],
      ...['Math.random', 'crypto.randomUUID', 'crypto.getRandomValues'],
    ],
    because: 'shared is pure: time, randomness, network and output are parameters',
  },
  {
    files: /./,
    except: [ENTRIES, NOT_DEPLOYED],
    globals: ['process', 'import.meta.env'],
    because: 'only index.ts, node.ts and open-*.ts read the environment',
  },
];

/** Whether a rule binds a file. */
const binds = (rule: Rule, path: string): boolean =>
  rule.files.test(path) &&
  !(rule.except ?? []).some((each) => (typeof each === 'string' ? each === path : each.test(path)));

/** Imports and globals that a rule forbids in their file. */
export function directionFaults(files: readonly SourceFile[]): Fault[] {
  return files.filter(({ path }) => isCode(path)).flatMap(faultsOf);
}

function faultsOf(file: SourceFile): Fault[] {
  const { program, faults } = parseCode(file);
  const fault = (at: number, message: string): Fault => ({
    file: file.path,
    line: lineOf(file.text, at),
    message,
  });
  const imports = specifiersOf(program).flatMap((specifier) =>
    refusalsOf(file.path, specifier).map((because) =>
      fault(specifier.at, `imports ${specifier.text ?? 'a computed name'}: ${because}`),
    ),
  );
  const globals = globalsOf(program).flatMap(({ name, at }) =>
    GLOBAL_RULES.filter((rule) => binds(rule, file.path) && rule.globals.includes(name)).map((rule) =>
      fault(at, `uses ${name}: ${rule.because}`),
    ),
  );
  return [...faults, ...imports, ...globals];
}

function refusalsOf(path: string, specifier: Specifier): string[] {
  const target = targetOf(path, specifier);
  const refusals = IMPORT_RULES.filter((rule) => binds(rule, path) && rule.imports.test(target));
  const reasons = refusals.map((rule) => rule.because);
  return skipsExports(path, specifier, target)
    ? [...reasons, 'import another workspace by its name']
    : reasons;
}

/** A relative path into another workspace bypasses its `exports`. */
const skipsExports = (path: string, { text }: Specifier, target: string): boolean =>
  text?.startsWith('.') === true && WORKSPACE.test(target) && workspaceOf(target) !== workspaceOf(path);

const WORKSPACE = /^(shared|drizzle|broker|agent-worker|client|cli|openapi-types|dev)\//;
const workspaceOf = (path: string): string | undefined => path.split('/')[0];

/**
 * Import circles between files of one workspace, imports of types included: none of the files in a circle can be
 * understood, tested or loaded without the others. The depth-first search reports each import that closes a circle once.
 */
export function circleFaults(files: readonly SourceFile[]): Fault[] {
  const code = files.filter(({ path }) => isCode(path));
  const imports = new Map(
    code.map((file) => [
      file.path,
      specifiersOf(parseCode(file).program)
        .map((specifier) => targetOf(file.path, specifier))
        .filter((target) => workspaceOf(target) === workspaceOf(file.path)),
    ]),
  );
  const faults: Fault[] = [];
  const visited = new Set<string>();
  function visit(path: string, importers: readonly string[]): void {
    const start = importers.indexOf(path);
    if (start !== -1) {
      const circle = [...importers.slice(start), path].join(' → ');
      faults.push({ file: path, message: `is in a circle of imports: ${circle}` });
    }
    if (visited.has(path)) return;
    visited.add(path);
    for (const target of imports.get(path) ?? []) visit(target, [...importers, path]);
  }
  for (const { path } of code) visit(path, []);
  return faults;
}
