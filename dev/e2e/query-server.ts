import { json } from 'node:stream/consumers';
import { type LoopbackServer, listenOnLoopback } from 'agent-ticket/src/identity-provider/http.ts';
import * as z from 'zod';
import type { Stack } from '../start/stack.ts';

/** Queries of test workers: rows of the databases, the objects of the agent worker, a restart, a run of the cron trigger. */
export const StackQuery = z.discriminatedUnion('about', [
  z.strictObject({
    about: z.literal('rows'),
    database: z.enum(['CONTROL', 'RECORD']),
    sql: z.string(),
    values: z.array(z.string()),
  }),
  z.strictObject({ about: z.literal('objects'), binding: z.string() }),
  z.strictObject({ about: z.literal('object id'), binding: z.string(), name: z.string() }),
  z.strictObject({ about: z.literal('restart') }),
  z.strictObject({ about: z.literal('scheduled') }),
]);
export type StackQuery = z.infer<typeof StackQuery>;

/** Serves the workers that run the tests. The stack itself runs in vitest's main process. */
export const openQueryServer = (stack: Stack): Promise<LoopbackServer> =>
  listenOnLoopback(0, async (request, response) => {
    const answer = await answerTo(StackQuery.parse(await json(request)), stack);
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  });

async function answerTo(query: StackQuery, { workers, restart }: Stack): Promise<unknown> {
  switch (query.about) {
    case 'rows': {
      const database = await workers.getD1Database(query.database, 'broker');
      const { results } = await database
        .prepare(query.sql)
        .bind(...query.values)
        .all();
      return results;
    }
    case 'objects':
      return workers.listDurableObjectIds(query.binding, 'agent-worker');
    case 'object id': {
      const objects = await workers.getDurableObjectNamespace(query.binding, 'agent-worker');
      return objects.idFromName(query.name).toString();
    }
    case 'scheduled': {
      const broker = await workers.getWorker('broker');
      return (await broker.scheduled({ cron: '* * * * *' })).outcome;
    }
    case 'restart':
      await restart();
      return 'restarted';
  }
}
