import { describe, expect, it } from 'vitest';
import { circleFaults, directionFaults } from './direction.ts';

const faultsOf = (path: string, text: string) => directionFaults([{ path, text }]);

describe('a refused import', () => {
  it.each([
    ['shared/src/a.ts', "import { x } from '@agent-ticket/broker/src/x.ts';", 'no other workspace'],
    ['shared/src/a.ts', "import { x } from '../../drizzle/x.ts';", 'no other workspace'],
    ['shared/src/a.ts', "import { readFile } from 'node:fs/promises';", 'every runtime'],
    ['shared/src/a.ts', "import fs from 'fs';", 'every runtime'],
    ['shared/src/a.ts', "import { env } from 'cloudflare:workers';", 'every runtime'],
    ['shared/src/a.ts', "import { Hono } from 'hono';", 'every runtime'],
    ['shared/src/a.ts', "import { sql } from 'drizzle-orm';", 'every runtime'],
    ['shared/client/a.ts', "import { useState } from 'react';", 'every runtime'],
    ['drizzle/record/a.ts', "import type { X } from '@agent-ticket/agent-worker/src/x.ts';", 'only shared'],
    ['drizzle/record/a.ts', "import { Agent } from 'agents';", 'tables'],
    ['broker/src/a.ts', "import { x } from '@agent-ticket/agent-worker/src/x.ts';", 'HTTP contract'],
    ['broker/test/a.test.ts', "import { x } from '@agent-ticket/dev/x.ts';", 'HTTP contract'],
    ['broker/src/a.ts', "import { createHash } from 'node:crypto';", 'name a runtime'],
    ['broker/src/a.ts', "import { createClient } from '@libsql/client';", 'name a runtime'],
    ['drizzle/a.ts', "import Connection from 'libsql';", 'name a runtime'],
    ['broker/src/a.ts', "import { drizzle } from 'drizzle-orm/d1';", 'name a runtime'],
    ['broker/src/a.ts', "import { env } from 'cloudflare:workers';", 'Workers runtime'],
    ['agent-worker/src/a.ts', "export * from '@agent-ticket/broker/src/x.ts';", 'takes tickets'],
    ['agent-worker/src/a.ts', "export { x } from '@agent-ticket/broker/src/x.ts';", 'takes tickets'],
    ['agent-worker/src/a.ts', "type X = import('@agent-ticket/broker/src/x.ts').X;", 'takes tickets'],
    ['agent-worker/src/a.ts', "await import('@agent-ticket/broker/src/x.ts');", 'takes tickets'],
    ['agent-worker/src/a.ts', 'await import(`@agent-ticket/broker/src/x.ts`);', 'takes tickets'],
    ['agent-worker/src/a.ts', "import '@agent-ticket/drizzle/control/policy.ts';", 'forge policy'],
    ['agent-worker/src/index.ts', "import '@agent-ticket/drizzle/control/policy.ts';", 'forge policy'],
    ['agent-worker/src/a.ts', "const name = 'x'; await import(name);", 'computed import'],
    ['broker/src/a.ts', "import { x } from '../../shared/src/x.ts';", 'by its name'],
    ['dev/a.ts', "import { x } from '../../elsewhere/x.ts';", 'outside of the repository'],
    ['dev/a.ts', "import { x } from '/opt/x.ts';", 'outside of the repository'],
  ])('%s: %s', (path, text, because) => {
    const faults = faultsOf(path, text);
    expect(faults.map(({ message }) => message).join()).toContain(because);
    expect(faults[0]).toMatchObject({ file: path, line: 1 });
  });

  it('is reported with its line and its specifier', () => {
    const [fault] = faultsOf('shared/src/a.ts', "// one\n/* two */\nimport { x } from 'hono';\n");
    expect(fault).toMatchObject({ line: 3, message: expect.stringContaining('imports hono') });
  });
});

describe('an allowed import', () => {
  it.each([
    ['shared/src/a.ts', "import * as z from 'zod'; import { jwtVerify } from 'jose'; import './b.ts';"],
    ['shared/src/a.test.ts', "import { readFileSync } from 'node:fs'; import { it } from 'vitest';"],
    [
      'drizzle/open-libsql.ts',
      "import { createClient } from '@libsql/client'; import '@agent-ticket/shared/a.ts';",
    ],
    [
      'drizzle/control/a.ts',
      "import { sqliteTable } from 'drizzle-orm/sqlite-core'; import '../record/a.ts';",
    ],
    ['broker/src/index.ts', "import { env } from 'cloudflare:workers';"],
    ['broker/src/node.ts', "import { serve } from '@hono/node-server'; process.env;"],
    ['broker/src/a.ts', "import '@agent-ticket/drizzle/control/policy.ts';"],
    ['broker/src/mint/shard-object.ts', "import { DurableObject } from 'cloudflare:workers';"],
    ['broker/vitest.config.ts', "import { join } from 'node:path';"],
    ['agent-worker/src/a.ts', "import { Agent } from 'agents'; import '@agent-ticket/drizzle/record/a.ts';"],
    ['agent-worker/src/a.ts', "// import 'node:fs'\nconst s = \"import 'node:fs'\";"],
    [
      'dev/start/start.ts',
      "import '@agent-ticket/broker/src/x.ts'; import { spawn } from 'node:child_process';",
    ],
    ['README.md', "import 'node:fs'"],
  ])('%s: %s', (path, text) => {
    expect(faultsOf(path, text)).toEqual([]);
  });
});

it('a file that cannot be parsed is a fault, not a pass', () => {
  expect(faultsOf('broker/src/a.ts', 'import from from;')[0]?.message).toContain('cannot be parsed');
});

describe('a circle of imports', () => {
  const filesOf = (imports: Readonly<Record<string, string>>) =>
    Object.entries(imports).map(([path, text]) => ({ path, text }));

  it.each([
    [{ 'dev/a.ts': "import './a.ts';" }, 'dev/a.ts → dev/a.ts'],
    [
      { 'dev/a.ts': "import './x/b.ts';", 'dev/x/b.ts': "export * from '../a.ts';" },
      'dev/a.ts → dev/x/b.ts → dev/a.ts',
    ],
    [
      {
        'dev/a.ts': "import './b.ts';",
        'dev/b.ts': "import type { C } from './c.ts';",
        'dev/c.ts': "await import('./b.ts');",
      },
      'dev/b.ts → dev/c.ts → dev/b.ts',
    ],
    [
      {
        'shared/src/a.ts': "import '@agent-ticket/shared/b.ts';",
        'shared/src/b.ts': "import './a.ts';",
      },
      'shared/src/a.ts → shared/src/b.ts → shared/src/a.ts',
    ],
  ])('%j is a fault', (imports, circle) => {
    expect(circleFaults(filesOf(imports))).toEqual([
      { file: circle.split(' ')[0], message: `is in a circle of imports: ${circle}` },
    ]);
  });

  it('is not two ways to one file', () => {
    const imports = {
      'dev/a.ts': "import './b.ts'; import './c.ts';",
      'dev/b.ts': "import './d.ts';",
      'dev/c.ts': "import './d.ts'; import 'zod';",
      'dev/d.ts': '',
    };
    expect(circleFaults(filesOf(imports))).toEqual([]);
  });
});
