import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { kidOf } from '../broker.ts';
import { paste } from '../documents.ts';
import { nextFrame, openSocket } from '../sockets.ts';
import { openStand, Page, type Stand } from './stand.ts';

/** docs/operations.md, tried: every block of it as it stands there, in its order. */

let stand: Stand;
beforeAll(async () => {
  stand = await openStand();
  await stand.seal();
});
afterAll(() => stand?.close());

const run = (words: string, env?: Readonly<Record<string, string>>): Promise<string> => stand.run(words, env);
const json = async (answer: Promise<string>): Promise<unknown> => JSON.parse(await answer);

/** A socket that was let in, and the id of its session once the record has it. */
async function enter(instance: string, secret?: string) {
  const { url, ticket } = await stand.mint(instance, secret);
  const opened = openSocket(url);
  await nextFrame(opened.socket);
  const session = await eventually(async () => {
    const path = `/admin/agents/sessions?agent=counter&instance=${instance}&active=true`;
    const [found] = (await stand.look(path, Page)).items;
    return z.object({ id: z.string() }).parse(found).id;
  });
  return { ...opened, ticket, session };
}

const Key = z.looseObject({ kid: z.string(), state: z.string() });
const Keys = z.object({ items: z.array(Key) });
const published = async (): Promise<string[]> => {
  const answer = await fetch(`${stand.facts.broker}/.well-known/jwks.json`);
  return z
    .object({ keys: z.array(Key.pick({ kid: true })) })
    .parse(await answer.json())
    .keys.map(({ kid }) => kid);
};

const TRIED = [
  '/readyz',
  '/admin/keys/rotate',
  '"$BROKER/admin/keys"',
  '/revoke"',
  '/admin/keys/reseal',
  '?agent=$AGENT',
  '$SESSION"',
  '/admin/service-tokens/$TOKEN',
  '"kind": "everything"',
  '/admin/locks/$LOCK',
  'principal=$PRINCIPAL',
  'export?after=0',
  'export?after=$LAST',
  'agent-ticket audit verify',
];

it('there is no block that is not tried here', () => {
  expect(stand.blocks.map(({ text }) => TRIED.filter((words) => text.includes(words)))).toEqual(
    TRIED.map((words) => [words]),
  );
});

describe('what docs/operations.md says to do', () => {
  it('looks how it goes', async () => {
    await eventually(async () =>
      expect(await json(run('/readyz'))).toEqual({
        status: 'ready',
        events_waiting: 0,
        agent_events_waiting: 0,
        agent_objects_waiting: 0,
        waiting_age: null,
        commands_waiting: 0,
        change_events_waiting: 0,
        checkpoint_age: expect.any(Number),
      }),
    );
  });

  it('rotates, by schedule and at once, with another algorithm, and the key of the audit log', async () => {
    const rotate = async (body: object): Promise<unknown> => {
      const found = stand.blocks.find(({ text }) => text.includes('/admin/keys/rotate'))?.text ?? '';
      const text = found.replace("'{}'", `'${JSON.stringify(body)}'`);
      return JSON.parse(await paste({ text }, { env: stand.shell }));
    };
    const before = await published();
    const next = Key.parse(await json(run('/admin/keys/rotate')));
    expect(next.state).toBe('pending');
    expect((await published()).toSorted()).toEqual([...before, next.kid].toSorted());
    expect(await rotate({})).toMatchObject({ error: { code: 'CONFLICT' } });

    const document = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
    const said = ['{"alg": "Ed25519"}', '{"activate": "now"}', '{"purpose": "audit"}'];
    expect(said.filter((body) => !document.includes(`\`${body}\``))).toEqual([]);
    const [alg = {}, now = {}, audit = {}] = said.map((body) => z.looseObject({}).parse(JSON.parse(body)));
    expect(await rotate({ ...audit, ...now, ...alg })).toMatchObject({ state: 'active', alg: 'Ed25519' });
    expect(await rotate(audit)).toMatchObject({ state: 'pending', alg: 'Ed25519' });
  });

  it('revokes a key that leaked: its sockets close, and it is gone from the key set at once', async () => {
    const { closed, ticket } = await enter('leaked-key');
    const { items } = Keys.parse(await json(run('"$BROKER/admin/keys"')));
    const KID = kidOf(ticket);
    expect(items.find(({ kid }) => kid === KID)).toMatchObject({ state: 'active' });
    const revoked = z.looseObject({ signing: z.string() }).parse(await json(run('/revoke"', { KID })));
    expect(revoked).toMatchObject({ kid: KID, state: 'revoked', receipt: { closed: 1 } });
    expect(await closed).toMatchObject({ code: 4003 });
    expect(await published()).not.toContain(KID);
    expect(kidOf((await stand.mint('leaked-key')).ticket)).toBe(revoked.signing);
  });

  it('changes KEK without a refusal, and a wrong one signs nothing and spoils nothing', async () => {
    const [KEK, wrong] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')];
    const before = await published();
    await stand.deploy({ KEK, KEK_PREVIOUS: stand.keyEncryptionKey });
    expect((await stand.tryMint('kek')).status).toBe(201);
    const Resealed = z.object({ resealed: z.int(), unreadable: z.array(z.string()) });
    const first = Resealed.parse(await json(run('/admin/keys/reseal')));
    expect(first.resealed).toBeGreaterThan(0);
    expect(await json(run('/admin/keys/reseal'))).toMatchObject({ resealed: 0, unreadable: [] });

    await stand.deploy({ KEK: wrong });
    expect(await json(run('/readyz'))).toMatchObject({
      error: { code: 'UNAVAILABLE', message: expect.stringContaining('key') },
    });
    expect((await stand.tryMint('kek')).status).toBe(503);
    await stand.deploy({ KEK });
    expect((await stand.tryMint('kek')).status).toBe(201);
    expect((await published()).toSorted()).toEqual(before.toSorted());
  });

  it('ends the session of a ticket that leaked', async () => {
    const { closed, session } = await enter('leaked-ticket');
    const { items } = Page.parse(await json(run('?agent=$AGENT', { AGENT: 'counter' })));
    expect(items.map(({ id }) => id)).toContain(session);
    const ended = await json(run('$SESSION"', { SESSION: session }));
    expect(ended).toMatchObject({ id: session, receipt: { closed: 1 } });
    expect(await closed).toMatchObject({ code: 4003 });
  });

  it('revokes a service token that leaked: its secret dies, and its sockets close', async () => {
    const { id, client_secret } = await stand.newToken();
    const { closed } = await enter('leaked-token', client_secret);
    await run('/admin/service-tokens/$TOKEN', { TOKEN: id });
    expect(await closed).toMatchObject({ code: 4003 });
    expect((await stand.tryMint('leaked-token', client_secret)).status).toBe(401);
  });

  it('locks everything, and lifts that again', async () => {
    const { closed } = await enter('locked');
    const lock = z.looseObject({ id: z.string() }).parse(await json(run('"kind": "everything"')));
    expect(await closed).toMatchObject({ code: 4003 });
    expect((await stand.tryMint('locked')).status).toBe(403);
    await run('/admin/locks/$LOCK', { LOCK: lock.id });
    expect((await stand.tryMint('locked')).status).toBe(201);
  });

  it('looks what somebody did', async () => {
    const PRINCIPAL = `token:${stand.facts.serviceToken.id}`;
    const { items } = Page.parse(await json(run('principal=$PRINCIPAL', { PRINCIPAL })));
    expect(new Set(items.map(({ principal }) => principal))).toEqual(new Set([PRINCIPAL]));
    expect(items.map(({ type }) => type)).toContain('ticket.issued');
  });

  it('exports, goes on with the export later, and proves it against the anchor', async () => {
    await run('export?after=0');
    await stand.mint('later');
    await eventually(async () => {
      await run('export?after=$LAST');
      expect(await readFile(join(stand.desk, 'audit.ndjson'), 'utf8')).toContain('"instance":"later"');
    });
    const said = await run('agent-ticket audit verify');
    expect(said).toMatch(/content +ok/);
    expect(said).toMatch(/gaps +ok/);
  });
});
