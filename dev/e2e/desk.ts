import { json } from 'node:stream/consumers';
import * as z from 'zod';
import { type LoopbackServer, listenOnLoopback } from '../identity-provider/http.ts';
import type { Stack } from '../start/stack.ts';

/** What test workers may ask for: rows of the databases, which objects of the agent worker exist, a restart. */
export const Question = z.discriminatedUnion('about', [
  z.strictObject({
    about: z.literal('rows'),
    database: z.enum(['CONTROL', 'RECORD']),
    sql: z.string(),
    values: z.array(z.string()),
  }),
  z.strictObject({ about: z.literal('objects'), binding: z.string() }),
  z.strictObject({ about: z.literal('object id'), binding: z.string(), name: z.string() }),
  z.strictObject({ about: z.literal('restart') }),
]);
export type Question = z.infer<typeof Question>;

/** Answers questions about the stack, which lives in vitest's main process, to the workers that run the tests. */
export const openDesk = (stack: Stack): Promise<LoopbackServer> =>
  listenOnLoopback(0, async (request, response) => {
    const answer = await answerTo(Question.parse(await json(request)), stack);
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  });

async function answerTo(question: Question, { workers, restart }: Stack): Promise<unknown> {
  switch (question.about) {
    case 'rows': {
      const database = await workers.getD1Database(question.database, 'broker');
      const { results } = await database
        .prepare(question.sql)
        .bind(...question.values)
        .all();
      return results;
    }
    case 'objects':
      return workers.listDurableObjectIds(question.binding, 'agent-worker');
    case 'object id': {
      const objects = await workers.getDurableObjectNamespace(question.binding, 'agent-worker');
      return objects.idFromName(question.name).toString();
    }
    case 'restart':
      await restart();
      return 'restarted';
  }
}
