import { describe, expect, test } from 'vitest';
import { AGENTS } from '../../agents.ts';
import type { DemoFacts } from '../demo/facts.ts';
import { answerDemoRequest } from './demo.ts';

const asked: string[] = [];

const PORTS: Parameters<typeof answerDemoRequest>[1] = {
  registry: AGENTS,
  broker: 'https://broker.example/base',
  accessUrl: undefined,
  mcpServer: undefined,
  assets: {
    fetch: async (request) => {
      asked.push(request.url);
      return new Response('<!doctype html>', { headers: { 'content-type': 'text/html' } });
    },
  },
  randomId: () => 'request-1',
};

const ask = (path: string, init: RequestInit = {}, ports = PORTS): Promise<Response> =>
  answerDemoRequest(new Request(`https://agents.example${path}`, init), ports);

describe('the demo page', () => {
  test('is four files of the asset store, requested without a query', async () => {
    asked.length = 0;
    for (const path of ['/', '/?ticket=x', '/demo.css', '/demo.js', '/icon.svg'])
      expect((await ask(path)).status).toBe(200);
    expect(asked).toEqual([
      'https://agents.example/index.html',
      'https://agents.example/index.html',
      'https://agents.example/demo.css',
      'https://agents.example/demo.js',
      'https://agents.example/icon.svg',
    ]);
  });

  test.for([
    '/index.html',
    '//',
    '/demo.js/',
    '/%64emo.js',
    '/x',
    '/constructor',
    '//evil.example/',
    '/..%2f',
  ])('is nothing else: %s is a 404, without a request to the asset store', async (path) => {
    asked.length = 0;
    const answer = await ask(path);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { code: 'NOT_FOUND', request_id: 'request-1' } });
    expect(asked).toEqual([]);
  });

  test.for(['POST', 'PUT', 'DELETE', 'OPTIONS'])('is read-only: %s is a 405', async (method) => {
    const answer = await ask('/', { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  test.for(['/', '/demo.js', '/demo.json'])(
    'loads nothing from other origins and allows no framing: %s',
    async (path) => {
      const { headers } = await ask(path);
      expect(headers.get('content-security-policy')?.split('; ')).toEqual([
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self' https://broker.example wss://agents.example",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
      ]);
      expect(headers.get('strict-transport-security')).toBe('max-age=31536000');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('x-request-id')).toBe('request-1');
    },
  );

  test('allows plain sockets where it was fetched over plain http', async () => {
    const answer = await answerDemoRequest(new Request('http://127.0.0.1:8788/'), PORTS);
    expect(answer.headers.get('content-security-policy')).toContain(' ws://127.0.0.1:8788;');
  });
});

describe('/demo.json', () => {
  test('names the broker and the enabled agents, without their rights and limits', async () => {
    const answer = await ask('/demo.json');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { broker, agents }: DemoFacts = await answer.json();
    expect(broker).toBe('https://broker.example/base');
    expect(agents.map(({ slug }) => slug)).toEqual(
      AGENTS.filter(({ enabled, transport }) => enabled && transport === 'websocket').map(({ slug }) => slug),
    );
    for (const agent of agents)
      expect(Object.keys(agent)).toEqual(['slug', 'displayName', 'description', 'access', 'instances']);
  });

  test('has the address of the stand-in for Access only where there is one', async () => {
    expect(await (await ask('/demo.json')).json()).not.toHaveProperty('accessUrl');
    const standIn = { ...PORTS, accessUrl: 'http://127.0.0.1:8790/access' };
    expect(await (await ask('/demo.json', {}, standIn)).json()).toMatchObject({
      accessUrl: 'http://127.0.0.1:8790/access',
    });
  });

  test('has the address of an MCP server for trying only where there is one', async () => {
    expect(await (await ask('/demo.json')).json()).not.toHaveProperty('mcpServer');
    const mcpServer = 'http://localhost:8790/tools/mcp';
    expect(await (await ask('/demo.json', {}, { ...PORTS, mcpServer })).json()).toMatchObject({ mcpServer });
  });

  test('names the agents with a page of their own, where there are such agents', async () => {
    expect(await (await ask('/demo.json')).json()).toMatchObject({ pages: ['chat', 'integrations'] });
    const registry = AGENTS.filter(({ slug }) => slug !== 'chat');
    const facts = await (await ask('/demo.json', {}, { ...PORTS, registry })).json();
    expect(facts).toMatchObject({ pages: ['integrations'] });
  });

  test('leaves out agents that only some principals may see', async () => {
    const registry = AGENTS.map((entry) => ({ ...entry, access: 'grant' as const }));
    expect(await (await ask('/demo.json', {}, { ...PORTS, registry })).json()).toMatchObject({ agents: [] });
  });
});
