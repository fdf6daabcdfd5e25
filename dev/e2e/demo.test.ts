import { expect, inject, it } from 'vitest';

const get = (path: string): Promise<Response> => fetch(new URL(path, inject('stack').agentWorker));

it('the demo page has every file that it names, and may call the broker', async () => {
  const page = await get('/');
  expect(page.status).toBe(200);
  expect(page.headers.get('content-type')).toContain('text/html');
  expect(page.headers.get('content-security-policy')).toContain(inject('stack').broker);

  const html = await page.text();
  const files = Array.from(html.matchAll(/(?:src|href)="(\/?[\w./-]+)"/g), ([, file]) => file ?? '');
  expect(files.length).toBeGreaterThan(1);
  for (const file of files) {
    const answer = await get(file);
    expect(answer.status, file).toBe(200);
    expect((await answer.text()).length, file).toBeGreaterThan(0);
  }
});

it('the demo page gets the address of the broker and the list of agents', async () => {
  const facts: unknown = await (await get('/demo.json')).json();
  expect(facts).toMatchObject({ broker: inject('stack').broker });
  expect(JSON.stringify(facts)).toContain('"counter"');
});

it.each(['/index.html', '/demo', '/dist/demo.js', '/..%2findex.js', '/agents', '/no-such-page'])(
  'nothing is served at %s',
  async (path) => {
    const answer = await get(path);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { code: 'NOT_FOUND' } });
  },
);
