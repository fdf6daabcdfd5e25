import { expect, it } from 'vitest';
import { renderError, renderErrorWith } from './answer.ts';

it('a refusal has its error and nothing of the request', async () => {
  const request = Object.assign(new Request('https://broker.test/'), { own: 'secret' });
  const body: unknown = await renderError({ reason: 'credential_missing' }, 'r-1', null, request).json();
  expect(body).toEqual({
    error: { code: 'UNAUTHORIZED', message: expect.any(String), request_id: 'r-1' },
  });
});

it('the members beside an error are sent', async () => {
  const answer = renderErrorWith({ events_waiting: 2 }, { reason: 'database_unavailable' }, 'r-1');
  expect(await answer.json()).toMatchObject({ error: { code: 'UNAVAILABLE' }, events_waiting: 2 });
});
