import production, { MintShardObject as Production } from '../src/index.ts';

export { Backlog } from '../src/index.ts';

type Env = Parameters<typeof production.fetch>[1];

/** The worker as it ships. The test runner leaves a setting of its own in env, which the worker would rightly refuse. */
export default {
  fetch: (request, env) => production.fetch(request, withoutRunner(env)),
} satisfies ExportedHandler<Env>;

/** The object as it ships, without the same setting. */
export class MintShardObject extends Production {
  constructor(ctx: DurableObjectState, env: Env) {
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
