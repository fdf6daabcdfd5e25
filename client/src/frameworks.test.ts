import { expect, onTestFinished, test, vi } from 'vitest';
import { effectScope } from 'vue';
import { advance, FakeBackend, MINUTE, refusal, SECOND } from '../test/fake-backend.ts';
import { fakeTime } from '../test/stock-client.ts';
import { shareProvider } from './shared-provider.ts';
import { ticketProvider } from './svelte.ts';
import { useTicketProvider } from './vue.ts';

/** What the entries of the frameworks add to a provider. The hook of React runs in the browser tests. */

fakeTime();

test('the same options are one provider, others are another', () => {
  const backend = new FakeBackend();
  const options = backend.options();
  const { provider } = shareProvider(options);
  expect(shareProvider({ ...options }).provider).toBe(provider);
  expect(shareProvider({ ...options, instance: 'elsewhere' }).provider).not.toBe(provider);
});

test('on a server each caller has a provider of its own, and nothing is kept', () => {
  const options = new FakeBackend().options({ runsIn: 'server-render' });
  expect(shareProvider(options).provider).not.toBe(shareProvider(options).provider);
  expect(vi.getTimerCount()).toBe(0);
});

test('a provider is kept while somebody uses it, and a minute longer', async () => {
  const options = new FakeBackend().options();
  const first = shareProvider(options);
  const releases = [first.use(), first.use()];
  await advance(2 * MINUTE);
  releases[0]?.();
  await advance(2 * MINUTE);
  expect(shareProvider(options).provider).toBe(first.provider);
  releases[1]?.();
  await advance(MINUTE - 1);
  expect(shareProvider(options).provider).toBe(first.provider);
  await advance(1);
  expect(shareProvider(options).provider).not.toBe(first.provider);
});

test('the access token comes from the function of the last caller', async () => {
  const backend = new FakeBackend();
  const options = backend.options();
  const credential = (token: string) => ({ kind: 'access-token', get: async () => token }) as const;
  const { provider } = shareProvider({ ...options, credential: credential('first') });
  shareProvider({ ...options, credential: credential('second') });
  await Promise.all([provider.headers(), advance(SECOND)]);
  expect(backend.mints.at(-1)?.init.headers).toMatchObject({ authorization: 'Bearer second' });
});

test('onSignIn of the last caller is called, when a sign-in is what is missing', async () => {
  const backend = new FakeBackend();
  backend.broker = refusal(401, 'UNAUTHORIZED');
  const [first, last] = [vi.fn(), vi.fn()];
  const { provider } = shareProvider({ ...backend.options(), onSignIn: first });
  shareProvider({ ...backend.options(), onSignIn: last });
  await Promise.all([provider.protocols(), advance(SECOND)]);
  expect(first).not.toHaveBeenCalled();
  expect(last.mock.calls).toEqual([[provider.refusal]]);
  backend.broker = refusal(403, 'FORBIDDEN');
  await Promise.all([provider.protocols(), advance(20 * SECOND)]);
  expect(last).toHaveBeenCalledTimes(1);
});

test('Vue: a ref follows the refusal until its scope ends', async () => {
  const backend = new FakeBackend();
  backend.broker = refusal(403, 'FORBIDDEN');
  const scope = effectScope();
  const made = scope.run(() => useTicketProvider(backend.options()));
  onTestFinished(() => scope.stop());
  expect(made?.refusal.value).toBeUndefined();
  await Promise.all([made?.ticket.protocols(), advance(SECOND)]);
  expect(made?.refusal.value?.status).toBe(403);
  scope.stop();
  made?.ticket.reset();
  expect(made?.refusal.value?.status).toBe(403);
});

test('Svelte: a store calls back at once, with each change, and no more after it is left', async () => {
  const backend = new FakeBackend();
  backend.broker = refusal(401, 'UNAUTHORIZED');
  const { ticket, refusal: store } = ticketProvider(backend.options());
  const run = vi.fn();
  const leave = store.subscribe(run);
  expect(run.mock.calls).toEqual([[undefined]]);
  await Promise.all([ticket.protocols(), advance(SECOND)]);
  expect(run).toHaveBeenLastCalledWith(expect.objectContaining({ status: 401 }));
  leave();
  const calls = run.mock.calls.length;
  ticket.reset();
  expect(run.mock.calls).toHaveLength(calls);
});
