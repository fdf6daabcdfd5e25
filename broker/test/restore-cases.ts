import { AgentSlug, InstanceName, PrincipalId } from '@agent-ticket/shared/names.ts';
import { REVOCATION_KEPT_MS } from '@agent-ticket/shared/revocation.ts';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { compareSeal, NO_SEAL } from '../src/audit/seal.ts';
import { sealAudit } from '../src/audit/sealer.ts';
import { createKeyring } from '../src/keys/keyring.ts';
import { newRevocation } from '../src/revocation/changes.ts';
import { flushOutbox } from '../src/revocation/outbox.ts';
import type { BrokerPorts } from '../src/runtime/ports.ts';
import { runScheduled } from '../src/runtime/scheduled.ts';

/** The promises after a restore of one database or of both from a backup, for each driver. */

type Name = 'control' | 'record';

interface RequestOf {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A broker on two empty databases. */
export interface RestoreSetup {
  readonly ports: BrokerPorts;
  /** Another broker on the same databases, which has read nothing of them. */
  restarted(): Promise<RestoreSetup>;
  /** The headers of a new service token of tier admin. */
  makeToken(permissions: readonly string[]): Promise<Readonly<Record<string, string>>>;
  request(path: string, init?: RequestOf): Promise<Response>;
  /** Runs one statement. */
  sql(database: Name, text: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  readonly logged: () => string;
  /** In ms. */
  setClock(ms: number): void;
  readonly startsAt: number;
}

const MINUTE = 60_000;
/** Tables that a restore replaces here. */
const TABLES: Readonly<Record<Name, readonly string[]>> = {
  control: ['signing_keys', 'revocations', 'audit_seal', 'outbox'],
  record: ['audit_events', 'audit_checkpoints', 'revocation_copies'],
};

type Backup = readonly (readonly [table: string, rows: readonly Readonly<Record<string, unknown>>[]])[];

const backUp = (at: RestoreSetup, name: Name): Promise<Backup> =>
  Promise.all(
    TABLES[name].map(async (table) => [table, await at.sql(name, `SELECT * FROM ${table}`)] as const),
  );

const literal = (value: unknown): string =>
  value === null
    ? 'NULL'
    : typeof value === 'number'
      ? String(value)
      : `'${String(value).replaceAll("'", "''")}'`;

async function restore(at: RestoreSetup, name: Name, backup: Backup): Promise<void> {
  for (const [table, rows] of backup) {
    await at.sql(name, `DELETE FROM ${table}`);
    for (const row of rows) {
      const columns = Object.keys(row).join(', ');
      await at.sql(
        name,
        `INSERT INTO ${table} (${columns}) VALUES (${Object.values(row).map(literal).join(', ')})`,
      );
    }
  }
}

const Json = z.record(z.string(), z.unknown());
const json = async (answer: Response) => Json.parse(await answer.json());
const post = (body: object, headers: Readonly<Record<string, string>>): RequestOf => ({
  method: 'POST',
  headers: { ...headers, 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

/** Locks a person of Auth0. Answers the id of the lock. */
async function lockPerson(
  at: RestoreSetup,
  operator: Readonly<Record<string, string>>,
  name: string,
): Promise<string> {
  const body = { target: { kind: 'principal', id: `auth0:people.test:${name}` }, reason: 'test' };
  const { id } = await json(await at.request('/admin/locks', post(body, operator)));
  return z.string().parse(id);
}

/** The ids of all copies in the record database, in the order of their numbers. */
const copiesOf = async (at: RestoreSetup): Promise<unknown[]> =>
  (await at.sql('record', 'SELECT id FROM revocation_copies ORDER BY rev')).map(({ id }) => id);

async function writeEvent({ ports, startsAt }: RestoreSetup, at = startsAt): Promise<void> {
  const event = { eventId: crypto.randomUUID(), at, type: 'ticket.issued', outcome: 'success' } as const;
  await ports.record.deliver([{ event }], at);
}

/** Makes a log with a number of checkpoints, each of one event. */
async function sealMinutes(at: RestoreSetup, count: number, from = 0): Promise<void> {
  for (let minute = from; minute < from + count; minute += 1) {
    at.setClock(at.startsAt + minute * MINUTE);
    await writeEvent(at);
    expect(await sealAudit(at.ports, at.startsAt + minute * MINUTE)).toBeDefined();
  }
}

const stateOf = async (at: RestoreSetup, now = at.startsAt) => {
  const { noted, newest, fault } = await compareSeal(at.ports, now);
  return { noted: noted?.n, newest: newest?.n, fault };
};

export function describeRestores(open: () => Promise<RestoreSetup>): void {
  describe('the seal of the audit log in the control database', () => {
    it('is the newest checkpoint, however many seal', async () => {
      const at = await open();
      expect(await stateOf(at)).toEqual({ noted: undefined, newest: undefined, fault: undefined });
      const others = [at, await at.restarted(), await at.restarted()];
      for (let minute = 0; minute < 5; minute += 1) {
        await writeEvent(at);
        await Promise.all(others.map(({ ports }) => sealAudit(ports, at.startsAt + minute * MINUTE)));
        expect(await stateOf(at)).toEqual({ noted: minute + 1, newest: minute + 1, fault: undefined });
      }
      expect(at.logged()).not.toContain('audit_seal_differs');
    });

    it('is made up for by the next run when the process ends between a checkpoint and its note', async () => {
      const at = await open();
      await sealMinutes(at, 2);
      const killed = { note: () => Promise.reject(new Error('killed')) };
      const ports = {
        ...at.ports,
        control: { ...at.ports.control, auditSeal: { ...at.ports.control.auditSeal, ...killed } },
      };
      await writeEvent(at);
      await expect(sealAudit(ports, at.startsAt + 2 * MINUTE)).rejects.toThrow('killed');
      expect(await stateOf(at)).toEqual({ noted: 2, newest: 3, fault: undefined });
      // Not due, and noted all the same.
      expect(await sealAudit(at.ports, at.startsAt + 2 * MINUTE)).toBeUndefined();
      expect(await stateOf(at)).toEqual({ noted: 3, newest: 3, fault: undefined });
    });

    it('is that of a log from before seals were noted, and after many checkpoints by an older broker', async () => {
      const at = await open();
      await sealMinutes(at, 1);
      const [old] = await at.sql('control', 'SELECT * FROM audit_seal');
      await sealMinutes(at, 120, 1);
      await restore(at, 'control', [['audit_seal', old === undefined ? [] : [old]]]);
      expect(await stateOf(at)).toEqual({ noted: 1, newest: 121, fault: undefined });
      expect(await sealAudit(at.ports, at.startsAt + 120 * MINUTE)).toBeUndefined();
      expect(await stateOf(at)).toEqual({ noted: 121, newest: 121, fault: undefined });
      await at.sql('control', 'DELETE FROM audit_seal');
      await sealAudit(at.ports, at.startsAt + 120 * MINUTE);
      expect(await stateOf(at)).toEqual({ noted: 121, newest: 121, fault: undefined });
    });

    it('grows also while the clock is put back', async () => {
      const at = await open();
      await sealMinutes(at, 2);
      await writeEvent(at);
      await sealAudit(at.ports, at.startsAt - 60 * MINUTE);
      expect(await stateOf(at)).toEqual({ noted: 3, newest: 3, fault: undefined });
    });

    it.each<readonly [string, string, readonly string[]]>([
      ['a cut-off end', 'ends_earlier', ['DELETE FROM audit_checkpoints WHERE n > 2']],
      ['a log without checkpoints', 'ends_earlier', ['DELETE FROM audit_checkpoints']],
      [
        'another head under the noted number',
        'rewritten',
        [`UPDATE audit_checkpoints SET hash = '${'A'.repeat(43)}' WHERE n = 3`],
      ],
      [
        'a later checkpoint that nobody signed',
        'does_not_follow',
        [
          `INSERT INTO audit_checkpoints SELECT 4, at, through, 0, '${'A'.repeat(43)}', kid, jws FROM audit_checkpoints WHERE n = 3`,
        ],
      ],
      [
        'the noted checkpoint under another number',
        'rewritten',
        ['UPDATE audit_checkpoints SET n = 4 WHERE n = 3'],
      ],
    ])('differs from %s, which is said each minute and sealed by none', async (_what, fault, statements) => {
      const at = await open();
      await sealMinutes(at, 3);
      for (const statement of statements) await at.sql('record', statement);
      const before = await at.sql('record', 'SELECT * FROM audit_checkpoints');
      for (let minute = 3; minute < 6; minute += 1) {
        await writeEvent(at);
        expect(await sealAudit(at.ports, at.startsAt + minute * MINUTE)).toBeUndefined();
      }
      expect(at.logged().match(/"event":"audit_seal_differs"/g)).toHaveLength(3);
      expect(at.logged()).toContain(`"fault":"${fault}"`);
      expect(await at.sql('record', 'SELECT * FROM audit_checkpoints')).toEqual(before);
      const again = await at.restarted();
      expect(await json(await again.request('/readyz'))).toMatchObject({ audit_seal: fault });
    });

    it('is replaced by an operator who has restored a backup, with an event, and exactly as it was shown', async () => {
      const at = await open();
      await sealMinutes(at, 2);
      const backup = await backUp(at, 'record');
      await sealMinutes(at, 3, 2);
      await restore(at, 'record', backup);
      at.setClock(at.startsAt + 6 * MINUTE);
      const reader = await at.makeToken(['audit:read']);
      const operator = await at.makeToken(['audit:read', 'audit:accept']);
      const shown = await json(await at.request('/admin/agents/audit/seal', { headers: reader }));
      expect(shown).toMatchObject({ state: 'ends_earlier', noted: { n: 5 }, found: { n: 2 } });
      const Shown = z.object({ n: z.int(), hash: z.string() });
      const [noted, found] = [Shown.parse(shown.noted), Shown.parse(shown.found)];
      const accept = async (body: object, headers = operator) =>
        (await at.request('/admin/agents/audit/seal/accept', post({ reason: 'restored', ...body }, headers)))
          .status;
      expect(await accept({ noted, found }, reader)).toBe(403);
      expect(await accept({ noted, found: NO_SEAL })).toBe(400);
      expect(await accept({ noted: { ...noted, n: 4 }, found })).toBe(409);
      expect(await accept({ noted, found: { ...found, hash: noted.hash } })).toBe(409);
      expect(await accept({ noted, found, reason: '' })).toBe(400);
      expect((await stateOf(at)).noted).toBe(5);
      expect(await accept({ noted, found })).toBe(200);
      expect(await accept({ noted, found })).toBe(409);
      expect(await accept({ noted: found, found })).toBe(409);
      expect(await sealAudit(at.ports, at.startsAt + 7 * MINUTE)).toMatchObject({ n: 3 });
      expect(await stateOf(at)).toEqual({ noted: 3, newest: 3, fault: undefined });
      const [event] = await at.sql(
        'record',
        "SELECT details FROM audit_events WHERE type = 'audit.accepted'",
      );
      expect(JSON.parse(String(event?.details))).toEqual({
        fault: 'ends_earlier',
        noted: 5,
        noted_hash: noted.hash,
        found: 2,
        found_hash: found.hash,
        reason: 'restored',
      });
    });

    it('is accepted also where nothing is left of the log', async () => {
      const at = await open();
      await sealMinutes(at, 1);
      for (const table of TABLES.record) await at.sql('record', `DELETE FROM ${table}`);
      const operator = await at.makeToken(['audit:accept']);
      const { noted } = await compareSeal(at.ports, at.startsAt);
      const given = ({ n, hash }: typeof NO_SEAL) => ({ n, hash });
      const body = { noted: given(noted ?? NO_SEAL), found: given(NO_SEAL), reason: 'the disk is lost' };
      expect((await at.request('/admin/agents/audit/seal/accept', post(body, operator))).status).toBe(200);
      expect(await stateOf(at)).toEqual({ noted: 0, newest: undefined, fault: undefined });
      expect(await sealAudit(at.ports, at.startsAt + 2 * MINUTE)).toMatchObject({ n: 1 });
      expect(await stateOf(at)).toEqual({ noted: 1, newest: 1, fault: undefined });
    });
  });

  describe('a restored record database', () => {
    it('has the copies of all revocations again within a minute, and none that was lifted', async () => {
      const at = await open();
      const operator = await at.makeToken(['locks:write']);
      const kept = await lockPerson(at, operator, '1');
      const lifted = await lockPerson(at, operator, '2');
      await sealMinutes(at, 1);
      const backup = await backUp(at, 'record');
      const later = await lockPerson(at, operator, '3');
      await at.request(`/admin/locks/${lifted}`, { method: 'DELETE', headers: operator });
      await sealMinutes(at, 1, 1);
      // The lifted row is forgotten, as it is an hour later: the copy in the backup has no row any more.
      await at.sql('control', `DELETE FROM revocations WHERE id = '${lifted}'`);
      await restore(at, 'record', backup);
      at.setClock(at.startsAt + 2 * MINUTE);
      await runScheduled(at.ports);
      const now = at.startsAt + 2 * MINUTE;
      const inForce = await at.sql(
        'record',
        `SELECT id FROM revocation_copies WHERE (until IS NULL OR until > ${now}) AND code = 'locked'`,
      );
      expect(inForce.map(({ id }) => id).toSorted()).toEqual([kept, later].toSorted());
      expect((await stateOf(at, now)).fault).toBe('ends_earlier');
    });

    it('has them again also where no checkpoint came between the backup and the restore', async () => {
      const at = await open();
      const operator = await at.makeToken(['locks:write']);
      await sealMinutes(at, 1);
      const backup = await backUp(at, 'record');
      const id = await lockPerson(at, operator, '1');
      await restore(at, 'record', backup);
      expect(await copiesOf(at)).toEqual([]);
      at.setClock(at.startsAt + MINUTE);
      expect((await stateOf(at, at.startsAt + MINUTE)).fault).toBeUndefined();
      await runScheduled(at.ports);
      expect(await copiesOf(at)).toEqual([id]);
    });

    it('has them again also where a change comes before the next run', async () => {
      const at = await open();
      const operator = await at.makeToken(['locks:write']);
      const backup = await backUp(at, 'record');
      const first = await lockPerson(at, operator, '1');
      await restore(at, 'record', backup);
      const second = await lockPerson(at, operator, '2');
      expect(await copiesOf(at)).toEqual([first, second]);
    });

    it('has them again also where a change waited for its delivery when the backup was made', async () => {
      const at = await open();
      const operator = await at.makeToken(['locks:write']);
      const target = { kind: 'principal', id: PrincipalId.parse('auth0:people.test:1') } as const;
      const why = { kind: 'any', code: 'locked', reason: 'test', by: 'test', until: null } as const;
      const first = newRevocation({ ...why, target, id: crypto.randomUUID(), now: at.startsAt });
      await at.ports.control.change({
        event: { eventId: crypto.randomUUID(), at: at.startsAt, type: 'lock.created', outcome: 'success' },
        revocations: [first],
        command: { op: 'revoke', ids: [first.id] },
        dueAt: at.startsAt,
      });
      const second = await lockPerson(at, operator, '2');
      const backup = await backUp(at, 'record');
      await flushOutbox(at.ports);
      await restore(at, 'record', backup);
      await runScheduled(at.ports);
      expect(await copiesOf(at)).toEqual([first.id, second]);
    });

    it('has of a deletion that is under way no lock, and an end of what refuses tickets from before', async () => {
      const at = await open();
      const now = at.startsAt;
      const place = { agent: 'counter', instance: 'one' };
      const target = {
        kind: 'instance',
        agent: AgentSlug.parse(place.agent),
        instance: InstanceName.parse(place.instance),
      } as const;
      const facts = { target, code: 'rights_changed', reason: 'test', by: 'test', until: null, now } as const;
      const lock = newRevocation({ ...facts, id: crypto.randomUUID(), kind: 'any' });
      const ended = newRevocation({ ...facts, kind: 'before' });
      await at.ports.control.change({
        event: { eventId: crypto.randomUUID(), at: now, type: 'agent.deleted', outcome: 'success' },
        revocations: [lock, ended],
        command: { op: 'destroy', ...place, id: ended.id, lock: lock.id, before: now },
        dueAt: now + MINUTE,
      });
      await runScheduled(at.ports);
      const copies = await at.sql('record', 'SELECT id, until FROM revocation_copies');
      expect(copies).toEqual([{ id: ended.id, until: now + REVOCATION_KEPT_MS }]);
    });

    it('keeps the revocation of a key that the control database, restored before, does not have', async () => {
      const at = await open();
      const [row] = await at.ports.keyring.rows(at.startsAt);
      const operator = await at.makeToken(['keys:revoke']);
      await at.request(`/admin/keys/${row?.kid}/revoke`, { method: 'POST', headers: operator });
      await sealMinutes(at, 1);
      const backup = await backUp(at, 'record');
      await sealMinutes(at, 1, 1);
      const id = `any key:${row?.kid}`;
      await at.sql('control', `DELETE FROM revocations WHERE id = '${id}'`);
      await restore(at, 'record', backup);
      at.setClock(at.startsAt + 2 * MINUTE);
      await runScheduled(at.ports);
      const copies = await at.sql('record', `SELECT until FROM revocation_copies WHERE id = '${id}'`);
      expect(copies).toEqual([{ until: null }]);
    });
  });

  describe('a restored control database', () => {
    /** The ticket key was revoked after the backup. */
    async function restored(purpose: 'ticket' | 'audit') {
      const at = await open();
      await runScheduled(at.ports);
      const keyring = purpose === 'ticket' ? at.ports.keyring : at.ports.auditKeyring;
      const [row] = await keyring.rows(at.startsAt);
      const kid = row?.kid ?? '';
      const backup = await backUp(at, 'control');
      const operator = await at.makeToken([
        'keys:read',
        'keys:revoke',
        'keys:rotate',
        'locks:write',
        'locks:read',
      ]);
      const revoke = () => at.request(`/admin/keys/${kid}/revoke`, { method: 'POST', headers: operator });
      expect((await revoke()).status).toBe(200);
      await runScheduled(at.ports);
      await restore(at, 'control', backup);
      return { at: await at.restarted(), kid, operator };
    }

    it('never signs with a key that was revoked after the backup, says so, and signs again once it is revoked again', async () => {
      const { at, kid, operator } = await restored('ticket');
      const mint = () => at.request('/tickets', post({ agent: 'counter', instance: 'main' }, operator));
      expect((await mint()).status).toBe(503);
      const ready = await at.request('/readyz');
      expect(ready.status).toBe(503);
      const body = await json(ready);
      expect(body).toMatchObject({ mint: false, keys_revoked_in_record: 1 });
      expect(JSON.stringify(body.error)).toContain(`key ${kid} is revoked in the record database`);
      expect(at.logged()).toContain(`"event":"key_revoked_in_record","purpose":"ticket","kid":"${kid}"`);
      expect(await (await at.request('/.well-known/jwks.json')).text()).not.toContain(kid);
      expect((await at.request('/admin/keys/rotate', post({}, operator))).status).toBe(503);
      const listed = z
        .object({ items: z.array(z.object({ kid: z.string(), state: z.string() })) })
        .parse(await json(await at.request('/admin/keys', { headers: operator })));
      expect(listed.items).toEqual([{ kid, state: 'revoked' }]);

      const again = await at.request(`/admin/keys/${kid}/revoke`, { method: 'POST', headers: operator });
      expect(again.status).toBe(200);
      const ticket = await mint();
      expect(ticket.status).toBe(201);
      const [header = ''] = String((await json(ticket)).ticket).split('.');
      expect(JSON.parse(atob(header.replaceAll('-', '+').replaceAll('_', '/'))).kid).not.toBe(kid);
      expect(await json(await (await at.restarted()).request('/readyz'))).toMatchObject({
        keys_revoked_in_record: 0,
      });
    });

    it('has no restored active key for a wrong key-encryption key, which a start must not take for a restore', async () => {
      const { at, kid } = await restored('ticket');
      expect((await at.ports.keyring.restoredActive(at.startsAt))?.kid).toBe(kid);
      const config = { ...at.ports.config, keyEncryptionKey: new Uint8Array(32).fill(9) };
      const keyring = createKeyring({ ...at.ports, config, purpose: 'ticket' });
      expect(await keyring.restoredActive(at.startsAt)).toBeUndefined();
      expect(await keyring.signer(at.startsAt)).toMatchObject({
        denial: { detail: 'no key opens with KEK or KEK_PREVIOUS' },
      });
    });

    it('seals nothing with an audit key that was revoked after the backup', async () => {
      const { at, kid, operator } = await restored('audit');
      const before = await at.ports.record.checkpoints.newest();
      await writeEvent(at);
      expect(await sealAudit(at.ports, at.startsAt + 9 * MINUTE)).toBeUndefined();
      expect(await at.ports.record.checkpoints.newest()).toEqual(before);
      expect(at.logged()).toContain(`"event":"key_revoked_in_record","purpose":"audit","kid":"${kid}"`);
      expect(
        (await at.request(`/admin/keys/${kid}/revoke`, { method: 'POST', headers: operator })).status,
      ).toBe(200);
      const signer = await at.ports.auditKeyring.newestSigner(at.startsAt + 9 * MINUTE);
      expect(signer.ok && signer.value.row.kid).not.toBe(kid);
    });

    it('goes on with its keys while the record database is away', async () => {
      const { at, kid } = await restored('ticket');
      const away = { revokedKeys: () => Promise.reject(new Error('Network connection lost')) };
      const keyring = createKeyring({
        ...at.ports,
        record: { revocations: away },
        purpose: 'ticket',
      });
      expect(await keyring.signer(at.startsAt)).toMatchObject({ ok: true, value: { row: { kid } } });
    });
  });

  it('the lock of a revoked key is not lifted, and that of another key is', async () => {
    const at = await open();
    const operator = await at.makeToken(['keys:revoke', 'locks:write', 'locks:read']);
    const [row] = await at.ports.keyring.rows(at.startsAt);
    await at.request(`/admin/keys/${row?.kid}/revoke`, { method: 'POST', headers: operator });
    const other = { target: { kind: 'key', kid: 'k'.repeat(43) }, reason: 'test' };
    await at.request('/admin/locks', post(other, operator));
    const List = z.object({
      items: z.array(z.object({ id: z.string(), target: z.object({ kid: z.string() }) })),
    });
    const { items } = List.parse(await json(await at.request('/admin/locks', { headers: operator })));
    const lift = async (kid: string | undefined) => {
      const id = items.find(({ target }) => target.kid === kid)?.id;
      return (
        await at.request(`/admin/locks/${encodeURIComponent(String(id))}`, {
          method: 'DELETE',
          headers: operator,
        })
      ).status;
    };
    expect(await lift(row?.kid)).toBe(409);
    expect(await lift('k'.repeat(43))).toBe(200);
  });
}
