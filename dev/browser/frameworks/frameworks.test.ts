import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../e2e/free-ports.ts';
import { openHttpProxy } from '../../e2e/http-proxy.ts';
import { type Stack, startStack } from '../../start/stack.ts';
import { enter } from '../starters/enter.ts';
import { type DevServer, type Framework, startDevServer } from './dev-server.ts';

/**
 * The entry of each framework in an app of its own, by the framework's plugin of Vite: rendered on a server, hydrated, and
 * changed while it runs. React in StrictMode and with Suspense.
 */

const FRAMEWORKS = ['react', 'vue', 'svelte'] as const;

let stack: Stack;
let servers: Readonly<Record<Framework, DevServer>>;
beforeAll(async () => {
  const [react, vue, svelte] = await Promise.all([
    startDevServer('react'),
    startDevServer('vue'),
    startDevServer('svelte'),
  ]);
  servers = { react, vue, svelte };
  const pageOrigins = FRAMEWORKS.map((framework) => servers[framework].url);
  stack = await startStack({ ports: await freePorts(), secrets: makeSecrets(), pageOrigins });
}, 120_000);
afterAll(async () => {
  await Promise.all([stack?.close(), ...FRAMEWORKS.map((framework) => servers?.[framework].close())]);
});

const CASES: readonly (readonly [Framework, 'subprotocol' | 'query'])[] = [
  ['react', 'subprotocol'],
  ['react', 'query'],
  ['vue', 'subprotocol'],
  ['svelte', 'subprotocol'],
];

describe.each(CASES)('%s, by %s', (framework, delivery) => {
  it('requests no ticket on the server, one ticket in the page, and keeps its provider after an edit', async () => {
    const [broker, agents] = [
      await openHttpProxy(stack.facts.broker),
      await openHttpProxy(stack.facts.agentWorker),
    ];
    const server = servers[framework];
    const page = server.pageWith({
      broker: broker.url,
      host: agents.url,
      agent: 'counter',
      instance: `${framework}-${delivery}`,
      delivery,
      credential: { kind: 'session' },
    });
    const html = await (await fetch(page)).text();
    expect(html).toMatch(/<h1>First<\/h1>|waiting/);
    expect([broker.mints, agents.upgrades]).toEqual([[], []]);

    const tab = await enter({ stack }, page);
    const shown = tab.page.locator('output');
    await shown.getByText('0', { exact: true }).waitFor();
    expect([broker.mints.length, agents.upgrades.length]).toEqual([1, 1]);
    await tab.page.getByRole('button').click();
    await shown.getByText('1', { exact: true }).waitFor();

    await tab.page.evaluate(() => Object.assign(window, { isSamePage: true }));
    await server.edit('First', 'Second');
    await tab.page.getByRole('heading', { name: 'Second' }).waitFor();
    await shown.getByText('1', { exact: true }).waitFor();
    await tab.page.getByRole('button').click();
    await shown.getByText('2', { exact: true }).waitFor();
    expect(await tab.page.evaluate(() => Reflect.get(window, 'isSamePage'))).toBe(true);
    // A component that is made anew opens a socket of its own.
    expect(agents.upgrades.length).toBeLessThanOrEqual(2);
    expect(broker.mints).toHaveLength(agents.upgrades.length);
    await server.edit('Second', 'First');
  });
});
