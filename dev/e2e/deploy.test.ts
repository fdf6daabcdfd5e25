import { FIRST_RUN, start, WORDS } from 'agent-ticket/test/deployed-project.ts';
import { expect, inject, it } from 'vitest';
import { PromptSocket } from './prompt-socket.ts';

/** A deployment into a stand-in of an account, at whose addresses the stack answers: its checks are those of real workers. */

const ADDRESSES = { broker: 'https://tickets.shop.test', agents: 'https://agents.shop.test' };

async function startAtStack() {
  const { broker, agentWorker, adminToken } = inject('stack');
  const at = await start({
    fetch: (request, init) => {
      const asked = new Request(request, init);
      const url = asked.url.replace(ADDRESSES.broker, broker).replace(ADDRESSES.agents, agentWorker);
      return fetch(new Request(url, asked), { redirect: 'manual' });
    },
    openSocket: (url, protocols, headers = {}) =>
      new PromptSocket(url, { protocols: [...protocols], headers }),
    wait: (ms, until) =>
      new Promise((done) => {
        const timer = setTimeout(done, ms);
        until?.addEventListener('abort', () => {
          clearTimeout(timer);
          done();
        });
      }),
  });
  // Its operators are those of a claim rule: one signed in before.
  const production = { ...ADDRESSES, broker_vars: { CLAIM_RULES: [] } };
  await at.write('deploy.json', JSON.stringify({ production }));
  const credential = { client_id: adminToken.clientId, client_secret: adminToken.clientSecret };
  at.kept.set('production.json', JSON.stringify({ broker: ADDRESSES.broker, ...credential }));
  return at;
}

const DEPLOY = [...WORDS, '--yes', '--take-hostnames'];

it('a deployment ends with a probe of both workers', async () => {
  const { deploy, read } = await startAtStack();
  const { code, out, err } = await deploy(DEPLOY);
  expect(err).not.toContain('failed');
  expect(out).toContain('done    probe: with counter');
  expect(code).toBe(0);
  expect(read().log).toEqual(FIRST_RUN.slice(0, -1));
});

it('an agent worker without WebSockets fails the probe, and both workers from before come back', async () => {
  const { deploy, read, write } = await startAtStack();
  await deploy(DEPLOY);
  const before = read();
  await write('index.ts', 'export default { new: 1 };\n');
  await write('broker/index.ts', 'export default { new: 1 };\n');
  const { code, err } = await deploy(DEPLOY, {
    openSocket: () => new WebSocket('wss://127.0.0.1:1', []),
  });
  expect(code).toBe(2);
  expect(err).toMatch(/"probe" failed: counter: FAULT.*shop was rolled back.*shop-broker was rolled back/);
  const after = read();
  for (const name of ['shop', 'shop-broker'])
    expect(after.workers[name]?.live).toBe(before.workers[name]?.live);
});
