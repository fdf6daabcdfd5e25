import type production from '../src/index.ts';
import { MintShardObject as Production, Backlog as ProductionBacklog } from '../src/index.ts';

type Worker = typeof production;
type Env = Parameters<Worker['fetch']>[1];

let lives = 0;
let worker: Promise<{ default: Worker }> | undefined;

/** What a worker keeps in memory is gone, as after a deploy: it is evaluated anew, for each file of tests. */
export function beginLife(): void {
  lives += 1;
  worker = import(/* @vite-ignore */ `../src/index.ts?life=${lives}`);
}

/** The worker as it ships. The test runner leaves a setting of its own in env, which the worker would rightly refuse. */
export default {
  async fetch(request, env) {
    if (worker === undefined) beginLife();
    const shipped = await worker;
    if (shipped === undefined) throw new TypeError('no worker');
    return shipped.default.fetch(request, withoutRunner(env));
  },
} satisfies ExportedHandler<Env>;

/** The object as it ships, without the same setting. */
export class MintShardObject extends Production {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, withoutRunner(env));
  }
}

/** The entrypoint as it ships, without it as well. */
export class Backlog extends ProductionBacklog {
  constructor(ctx: ExecutionContext, env: Env) {
    super(ctx, withoutRunner(env));
  }
}

function withoutRunner(env: Env): Env {
  const { __VITEST_POOL_WORKERS_VITEST_MAJOR_VERSION: _, ...rest } = {
    __VITEST_POOL_WORKERS_VITEST_MAJOR_VERSION: '',
    ...env,
  };
  return rest;
}
