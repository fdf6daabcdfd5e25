import { expect, test } from 'vitest';
import { readStandIns } from './demo-settings.ts';

const ACCESS = 'http://127.0.0.1:8790/access';
const MCP_SERVER = 'http://localhost:8790/tools/mcp';

test('there is no stand-in without its setting', () => {
  const none = { accessUrl: undefined, mcpServer: undefined };
  expect(readStandIns({})).toEqual(none);
  expect(readStandIns({ MODE: 'development', ISSUER: 'x' })).toEqual(none);
});

test('stand-ins are accepted in development on loopback', () => {
  const env = { MODE: 'development', DEMO_ACCESS_URL: ACCESS, DEMO_MCP_SERVER: MCP_SERVER };
  expect(readStandIns(env)).toEqual({ accessUrl: ACCESS, mcpServer: MCP_SERVER });
});

test.for([
  { DEMO_ACCESS_URL: ACCESS },
  { DEMO_MCP_SERVER: MCP_SERVER },
  { MODE: 'production', DEMO_ACCESS_URL: ACCESS },
  { MODE: 'development', DEMO_ACCESS_URL: 'https://login.example' },
  { MODE: 'development', DEMO_MCP_SERVER: 'https://mcp.example/mcp' },
  { MODE: 'development', DEMO_ACCESS_URL: 'x' },
  { DEMO_ACCES_URL: ACCESS },
  { DMEO_ACCESS_URL: ACCESS },
])('%j is refused by name', (env) => {
  expect(() => readStandIns(env)).toThrow(/^demo page is not configured\. D\w+_(ACCES|MCP)/);
});
