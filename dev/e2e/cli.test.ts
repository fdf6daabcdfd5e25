import { randomUUID } from 'node:crypto';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { BAD_TICKETS } from 'agent-ticket/src/probe/bad-tickets.ts';
import { expect, inject, it } from 'vitest';
import { askForTicket, mint } from './broker.ts';
import { credentialOf, type Ended, rowsOf, startCommand } from './command-line.ts';
import { makeService } from './service.ts';
import { nextFrame, openSocket } from './sockets.ts';

/** The command line as an operator has it: processes against the running stack. */

const run = (
  words: readonly string[],
  who: 'serviceToken' | 'adminToken' = 'adminToken',
  input?: string,
): Promise<Ended> => {
  const { broker, [who]: token } = inject('stack');
  return startCommand(words, {
    environment: credentialOf(broker, token),
    ...(input !== undefined && { input }),
  }).ended;
};

async function connectAsNewService(instance: string) {
  const service = await makeService();
  const { url } = await mint({ instance }, service.headers);
  const { socket, closed } = openSocket(url);
  await nextFrame(socket);
  return { service, closed };
}

it('five questions of an operator take one command each', async () => {
  const instance = `cli-${randomUUID()}`;
  const { service, closed } = await connectAsNewService(instance);
  const where = ['--agent', 'counter', '--instance', instance, '--json'];

  await eventually(async () => {
    const live = await run(['sessions', 'list', ...where]);
    expect(rowsOf(live)).toMatchObject([{ principal: `token:${service.id}`, instance, ended_at: null }]);
  });
  const [session] = rowsOf(await run(['sessions', 'list', ...where]));
  expect(
    rowsOf(await run(['sessions', 'list', '--at', String(session?.started_at), ...where])),
  ).toMatchObject([{ id: session?.id }]);

  const end = ['sessions', 'end', '--person', `token:${service.id}`, '--reason', 'a test'];
  expect(await run(end)).toMatchObject({ code: 2, err: expect.stringContaining('add --yes') });
  expect(await run([...end, '--yes'])).toMatchObject({
    code: 0,
    err: '1 session closed, 1 object reached.\n',
  });
  expect(await closed).toMatchObject({ code: 4003 });
  // It may be repeated.
  expect(await run([...end, '--yes'])).toMatchObject({ code: 0 });

  const refused = await askForTicket({ instance, scope: 'agent:rpc:increment' }, service.headers);
  const id = refused.headers.get('x-request-id') ?? '';
  await eventually(async () => {
    const why = await run(['why', id]);
    expect(why).toMatchObject({ code: 0, err: '' });
    expect(why.out).toContain('refused: scope_outside_role');
  });

  expect(await run(['keys', 'rotate', '--purpose', 'audit', '--reason', 'a test', '--json'])).toMatchObject({
    code: 0,
  });
});

it('a probe finds that the stack admits a good ticket and refuses bad ones', async () => {
  const probed = await run(['probe', 'counter', `cli-${randomUUID()}`, '--json'], 'serviceToken');
  expect(rowsOf(probed).filter(({ ok }) => ok !== true)).toEqual([]);
  expect(rowsOf(probed)).toHaveLength(BAD_TICKETS.length + 2);
  expect(probed.code).toBe(0);
});

it('connect calls methods of an agent, and waits for the answers of a pipe', async () => {
  const words = ['connect', 'counter', `cli-${randomUUID()}`, '--json'];
  const connected = await run(words, 'serviceToken', 'call increment\ncall increment\n');
  const answers = rowsOf(connected).flatMap(({ received }) => {
    const { type, result } = Object(received);
    return type === 'rpc' ? [result] : [];
  });
  expect(answers).toEqual([1, 2]);
  expect(connected.code).toBe(0);
});

it('grants, locks and service tokens are made, listed and ended', async () => {
  const reason = ['--reason', 'a test'];
  const instance = `cli-${randomUUID()}`;
  const [token] = rowsOf(
    await run(['service-tokens', 'create', 'cli', '--agents', 'counter', '--expires-in', '1h', '--json']),
  );
  const id = String(token?.id);
  expect(token).toMatchObject({
    name: 'cli',
    agents: ['counter'],
    client_secret: expect.stringMatching(/^atk_/),
  });
  const [grant] = rowsOf(
    await run(['grants', 'create', `token:${id}`, 'counter', instance, 'admin', ...reason, '--json']),
  );
  expect(rowsOf(await run(['grants', 'list', '--subject', `token:${id}`, '--json']))).toEqual([grant]);
  const explained = await run(['explain', 'counter', instance, '--principal', `token:${id}`]);
  expect(explained).toMatchObject({ code: 0, out: expect.stringContaining('allowed as admin') });

  const locked = await run(['locks', 'create', `service-token:${id}`, ...reason, '--yes', '--json']);
  expect(locked.code).toBe(0);
  expect(await run(['explain', 'counter', instance, '--principal', `token:${id}`])).toMatchObject({
    code: 1,
  });
  const [lock] = rowsOf(locked);
  expect(await run(['locks', 'delete', String(lock?.id), '--reason', 'over'])).toMatchObject({ code: 0 });

  expect(await run(['grants', 'delete', String(grant?.id), '--reason', 'over', '--yes'])).toMatchObject({
    code: 0,
  });
  expect(await run(['service-tokens', 'rotate', id, '--grace-in', '0s', '--yes'])).toMatchObject({ code: 0 });
  expect(await run(['service-tokens', 'delete', id, ...reason, '--yes'])).toMatchObject({ code: 0 });
  expect(await run(['service-tokens', 'show', id])).toMatchObject({
    code: 2,
    err: expect.stringMatching(/\(NOT_FOUND, request [0-9a-f-]{36}\)/),
  });
});

it('a command that the credential does not permit says which permission is missing', async () => {
  expect(await run(['keys', 'list'], 'serviceToken')).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringContaining('keys:read'),
  });
});

it('doctor finds that nobody listed an origin, and what a stack without a schedule lacks', async () => {
  const examined = await run(['doctor', '--origin', 'https://unlisted.example', '--json']);
  const faults = rowsOf(examined).filter(({ verdict }) => verdict === 'fault');
  expect(faults.map(({ check }) => check)).toEqual([
    'agent workers answer',
    'origin at the broker',
    'origin at the agent worker',
  ]);
  expect(examined.code).toBe(1);
});
