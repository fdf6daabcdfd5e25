/** What may know what. To change the direction of the house, change a row here and say why. */

/** The files that name a runtime: where a worker, a process or a database connection begins. */
const ENTRIES = /(^|\/)(index|node|open-[\w-]+)\.ts$/;
/** Never part of a deployed worker. */
const WORKBENCH = /(^|\/)test\/|\.test\.ts$|(^|\/)test-[\w-]+\.ts$|(^|\/)[\w.-]+\.config\.ts$|^dev\//;
/** The one room of `shared` that runs in browsers. */
const CLIENT = /^shared\/client\//;

/** Files that declare a Durable Object class, which exists only in the Workers runtime, and why they do. */
const DURABLE_OBJECT_FILES: Readonly<Record<string, string>> = {
  'broker/src/mint/ledger/object.ts': 'a ledger object, where rate counts and the audit of mints first rest',
};

interface Rule {
  readonly files: RegExp;
  /** Of those, not these: patterns, or exact paths. */
  readonly except?: readonly (RegExp | string)[];
  readonly because: string;
}

export interface ImportRule extends Rule {
  /** Refused targets: a path from the top folder, `node:…`, `cloudflare:…`, `npm:<package>`, `outside:…`, `computed:`. */
  readonly imports: RegExp;
}

export interface GlobalRule extends Rule {
  readonly globals: readonly string[];
}

export const IMPORT_RULES: readonly ImportRule[] = [
  {
    files: /^shared\//,
    imports: /^(drizzle|broker|agent-worker|dev)\//,
    because: 'shared knows no other workspace',
  },
  {
    files: /^shared\//,
    except: [WORKBENCH],
    imports: /^(node|cloudflare):|^npm:(?!(jose|zod)(\/|$))/,
    because: 'shared runs in every runtime: it takes jose and zod, everything else comes in as a parameter',
  },
  {
    files: /^drizzle\//,
    imports: /^(broker|agent-worker|dev)\//,
    because: 'the data room knows only shared',
  },
  {
    files: /^drizzle\//,
    imports: /^npm:(hono|@hono\/|agents)(\/|$)/,
    because: 'the data room knows tables, not HTTP and not agents',
  },
  {
    files: /^broker\//,
    imports: /^(agent-worker|dev)\//,
    because: 'the broker knows shared and drizzle; it reaches the agent worker by its HTTP contract',
  },
  {
    files: /^agent-worker\//,
    imports: /^(broker|dev)\//,
    because: 'the agent worker knows shared and drizzle; it takes tickets, not the code that makes them',
  },
  {
    files: /^agent-worker\//,
    imports: /^drizzle\/control\//,
    because: "policy tables are the broker's alone, so that agent code cannot forge policy",
  },
  {
    files: /./,
    except: [ENTRIES, WORKBENCH],
    imports: /^node:|^npm:(@hono\/node-server|@libsql\/|drizzle-orm\/(d1|libsql)(\/|$))/,
    because: 'only index.ts, node.ts and open-*.ts name a runtime',
  },
  {
    files: /./,
    except: [ENTRIES, WORKBENCH, ...Object.keys(DURABLE_OBJECT_FILES)],
    imports: /^cloudflare:/,
    because: 'only index.ts, open-*.ts and the listed Durable Object classes name the Workers runtime',
  },
  { files: /./, imports: /^outside:/, because: 'a clone must stand on its own' },
  {
    files: /./,
    except: [WORKBENCH],
    imports: /^computed:/,
    because: 'a computed import hides from this check and from the bundler',
  },
];

export const GLOBAL_RULES: readonly GlobalRule[] = [
  {
    files: /^shared\//,
    except: [CLIENT, WORKBENCH],
    globals: [
      ...['fetch', 'setTimeout', 'setInterval', 'console'],
      ...['Date.now', 'new Date()', 'Date()', 'performance.now'],
      ...['Math.random', 'crypto.randomUUID', 'crypto.getRandomValues'],
    ],
    because: 'shared is pure: time, randomness, network and output are passed in',
  },
  {
    files: /./,
    except: [ENTRIES, WORKBENCH],
    globals: ['process', 'import.meta.env'],
    because: 'only index.ts, node.ts and open-*.ts read the environment',
  },
];

/** Whether a rule binds a file. */
export const binds = (rule: Rule, path: string): boolean =>
  rule.files.test(path) &&
  !(rule.except ?? []).some((each) => (typeof each === 'string' ? each === path : each.test(path)));
