import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import OPENAPI from '../openapi.json' with { type: 'json' };
import { ROUTES } from '../src/routes.ts';
import { checkAnswer } from './openapi.ts';
import { HOST, worker } from './sockets.ts';

const Paths = z.record(
  z.string(),
  z.record(z.string(), z.object({ responses: z.record(z.string(), z.unknown()) })),
);

it('the OpenAPI document has every route of the gate, and no other', () => {
  const documented = Object.entries(Paths.parse(OPENAPI.paths)).flatMap(([path, operations]) =>
    Object.keys(operations).map(
      (method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
    ),
  );
  const routes = Object.values(ROUTES).flatMap(({ paths, methods }) =>
    paths.flatMap((path) => methods.filter((each) => each !== 'HEAD').map((method) => `${method} ${path}`)),
  );
  expect(documented.toSorted()).toEqual(routes.toSorted());
});

describe('an answer is not described', () => {
  const at = { method: 'POST', path: '/control' };
  const good = {
    status: 200,
    contentType: 'application/json',
    text: '{"closed":0,"objects":0,"unreachable":0,"pending":0,"ms":1}',
  };

  it('unless it is as the document says', () => {
    checkAnswer(at, good);
  });

  it.each([
    ['of another status', { status: 204 }],
    ['of another type', { contentType: 'text/plain' }],
    [
      'with a member too many',
      { text: '{"closed":0,"objects":0,"unreachable":0,"pending":0,"ms":1,"more":1}' },
    ],
    ['without a member', { text: '{}' }],
    ['that refuses in another shape', { status: 401, text: '{"error":"unauthorized"}' }],
  ])('%s', (_how, differs) => {
    expect(() => checkAnswer(at, { ...good, ...differs })).toThrow(/POST \/control/);
  });
});

it('a refusal of the gate is described, and the answer of an agent may be any', async () => {
  const answer = await worker(new Request(`${HOST}/agents/counter/demo`));
  expect(answer.status).toBe(401);
});
