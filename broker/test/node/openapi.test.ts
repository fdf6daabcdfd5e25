import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { ANSWERS } from '../../src/openapi/answers.ts';
import { brokerDocument } from '../../src/openapi/document.ts';
import { OPENAPI } from '../../src/openapi/generated.ts';
import { ROUTES } from '../../src/resources/routes.ts';
import { checkAnswer } from '../openapi.ts';
import { startNodeBroker } from './start-broker.ts';

const Document = z.object({
  openapi: z.literal('3.1.0'),
  paths: z.record(
    z.string(),
    z.record(z.string(), z.looseObject({ responses: z.record(z.string(), z.unknown()) })),
  ),
});

describe('the OpenAPI document', () => {
  it('is served as it was made from the routes', async () => {
    const { app } = await startNodeBroker();
    const answer = await app.request('/openapi.json');
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(await answer.json()).toEqual(JSON.parse(JSON.stringify(brokerDocument(ROUTES))));
  });

  it('has every route, with its answers and refusals, and no other', () => {
    const { paths } = Document.parse(JSON.parse(OPENAPI));
    const documented = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map(
        (method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
      ),
    );
    const routes = ROUTES.map(({ method, path }) => `${method} ${path}`);
    expect(documented.toSorted()).toEqual(routes.toSorted());
    expect(Object.keys(ANSWERS).toSorted()).toEqual(routes.toSorted());
    for (const operation of Object.values(paths).flatMap((each) => Object.values(each))) {
      const statuses = Object.keys(operation.responses);
      expect(statuses.some((status) => status < '400')).toBe(true);
      expect(statuses).toEqual(expect.arrayContaining(['400', '500', '503']));
    }
  });
});

describe('an answer is not described', () => {
  const me = { method: 'GET', path: '/healthz' };
  const good = { status: 200, contentType: 'application/json', text: '{"status":"ok"}' };

  it('unless it is as the document says', () => {
    checkAnswer(me, good);
  });

  it.each([
    ['of another status', { status: 201 }],
    ['of another type', { contentType: 'text/plain' }],
    ['with a member too many', { text: '{"status":"ok","more":1}' }],
    ['without a member', { text: '{}' }],
    ['with another value', { text: '{"status":"well"}' }],
  ])('%s', (_how, differs) => {
    expect(() => checkAnswer(me, { ...good, ...differs })).toThrow(/GET \/healthz/);
  });
});
