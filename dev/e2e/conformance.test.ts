import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { noteRefusal } from '@agent-ticket/shared/test/refused.ts';
import { BAD_TICKETS } from 'agent-ticket/src/probe/bad-tickets.ts';
import { CHECK_GROUPS, CONFORMANCE, conformance, type Group } from 'agent-ticket/src/probe/conformance.ts';
import type { Presentation } from 'agent-ticket/src/probe/socket.ts';
import { terminalWith } from 'agent-ticket/test/terminal.ts';
import { describe, expect, inject, it } from 'vitest';
import { decodePayload, mint } from './broker.ts';
import { credentialOf } from './command-line.ts';
import { openHttpProxy } from './http-proxy.ts';
import { PromptSocket } from './prompt-socket.ts';

/** The conformance kit against the real stack, and against the same stack with a fault between it and the kit. */

interface Asked {
  readonly url: string;
  readonly init: RequestInit;
}

/** What a faulty deployment does differently, seen from its client. */
interface Between {
  /** Replaces a request. */
  readonly ask?: (asked: Asked) => Asked;
  /** Replaces an answer. */
  readonly answer?: (answer: Response, asked: Asked) => Response | Promise<Response>;
  /** Replaces what opens a socket. `fresh`: a new ticket of the same instance, with every right. */
  readonly open?: (presentation: Presentation, fresh: string) => Presentation;
  /** Left out: the operator, whose requests are not counted. */
  readonly who?: 'serviceToken';
}

interface Line {
  readonly name: string;
  readonly verdict: 'ok' | 'fault' | 'skipped';
  readonly seen: string;
}

/** Of the longest wait with a fault, for what does not come. */
const WAIT_MS = 1_000;

async function run(groups: readonly Group[], between?: Between) {
  const { ask, answer, open, who = between === undefined ? 'serviceToken' : 'adminToken' } = between ?? {};
  const { broker, [who]: token } = inject('stack');
  const instance = `kit-${randomUUID()}`;
  // Minted before: a socket is opened at once.
  const fresh = open === undefined ? [] : await freshTickets(instance, FRESH, token);
  const { terminal, said } = terminalWith({
    environment: credentialOf(broker, token),
    now: () => Date.now(),
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
    wait: (ms, signal) =>
      wait(between === undefined ? ms : Math.min(ms, WAIT_MS), undefined, { signal }).catch(() => {}),
    fetch: async (request, init = {}) => {
      if (typeof request !== 'string') throw new TypeError('the kit asks by addresses');
      const asked = ask?.({ url: request, init }) ?? { url: request, init };
      const given = await fetch(asked.url, { redirect: 'manual', ...asked.init });
      return (await answer?.(given, { url: request, init })) ?? given;
    },
    openSocket: (url, protocols, headers = {}) => {
      const presentation = { url, protocols, headers };
      const { url: to, ...opening } = open?.(presentation, fresh.pop() ?? '') ?? presentation;
      return new PromptSocket(to, opening);
    },
  });
  const code = await conformance({ agent: 'counter', instance, json: true, groups }, terminal);
  const lines: Line[] = said.out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  const summary: unknown = lines.pop();
  const faults = lines.filter(({ verdict }) => verdict === 'fault');
  return {
    code,
    lines,
    summary,
    faults: faults.map(({ name }) => name),
    texts: faults.map(({ seen }) => seen),
  };
}

/** One for each bad ticket and then some. */
const FRESH = 2 * BAD_TICKETS.length + 10;

async function freshTickets(
  instance: string,
  count: number,
  { clientId, clientSecret }: { readonly clientId: string; readonly clientSecret: string },
): Promise<string[]> {
  const headers = { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` };
  const tickets: string[] = [];
  while (tickets.length < count) tickets.push((await mint({ instance, expires_in: 300 }, headers)).ticket);
  return tickets;
}

it('the stack passes every check of the kit, and none is skipped', async ({ task }) => {
  const { code, lines, summary, faults, texts } = await run([]);
  expect([faults, texts]).toEqual([[], []]);
  expect(lines.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
  expect(lines.length).toBeGreaterThanOrEqual(200);
  expect(lines).toHaveLength(CHECK_GROUPS.flatMap((group) => CONFORMANCE[group]).length);
  expect(summary).toMatchObject({ ok: lines.length, fault: 0, skipped: 0, written: { revocations: 4 } });
  expect(code).toBe(0);
  for (const { close } of BAD_TICKETS) noteRefusal(task, close.join(' '));
});

it('no two checks of a group have one name', () => {
  for (const group of CHECK_GROUPS) {
    const names = CONFORMANCE[group].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  }
});

interface Change {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly edit?: (text: string) => string;
}

/** The same answer with other headers, status or body. */
const changed = async (
  answer: Response,
  { status = answer.status, headers = {}, edit = (text) => text }: Change,
): Promise<Response> => {
  const all = new Headers(answer.headers);
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  const text = edit(await answer.text());
  return new Response(status === 304 || text === '' ? null : text, { status, headers: all });
};

const at =
  (path: string, change: Change): NonNullable<Between['answer']> =>
  (answer, { url }) =>
    new URL(url).pathname === path && answer.status < 300 ? changed(answer, change) : answer;

const names = (group: Group): string[] => CONFORMANCE[group].map(({ name }) => name);

/** The place that a ticket is for. */
function instanceOf(ticket: string): string {
  const { agent, instance } = decodePayload(ticket);
  return `${agent}/${instance}`;
}

/** In place of whatever was presented. */
const admitting = ({ url }: Presentation, fresh: string): Presentation => ({
  url: url.replace(/\?.*$/, '').replace(/[^/]+\/[^/]+$/, instanceOf(fresh)),
  protocols: ['agent-ticket.v1', fresh],
});

const FAULTY: readonly (readonly [
  what: string,
  group: Group,
  between: Between,
  found: (names: readonly string[]) => void,
])[] = [
  [
    'whose key set shows a private key',
    'documents',
    { answer: at('/.well-known/jwks.json', { edit: (text) => text.replace('"kty"', '"d":"AA","kty"') }) },
    (found) => expect(found).toEqual(['the key set has no private part']),
  ],
  [
    'whose key set is kept for a day',
    'documents',
    { answer: at('/.well-known/jwks.json', { headers: { 'cache-control': 'public, max-age=86400' } }) },
    (found) => expect(found).toEqual(['caches keep the key set for a minute at most']),
  ],
  [
    'whose metadata name another issuer',
    'documents',
    {
      answer: at('/.well-known/oauth-authorization-server', {
        edit: (text) => text.replace(/"issuer":"[^"]*"/, '"issuer":"https://other.example"'),
      }),
    },
    (found) =>
      expect(found).toEqual([
        'the issuer of the metadata is the one that was asked',
        'every endpoint of the metadata is below the issuer',
      ]),
  ],
  [
    'whose refusals have another shape',
    'documents',
    {
      answer: (answer) => (answer.status < 400 ? answer : changed(answer, { edit: () => '{"error":"no"}' })),
    },
    (found) => expect(found).toHaveLength(3),
  ],
  [
    'whose tickets may be stored',
    'mint',
    { answer: at('/tickets', { headers: { 'cache-control': 'public, max-age=60' } }) },
    (found) =>
      expect(found).toEqual(
        expect.arrayContaining(['a ticket is answered with all its members, and not to be stored']),
      ),
  ],
  [
    'that shares its answers with every page',
    'mint',
    {
      answer: (answer, { url }) =>
        url.endsWith('/tickets')
          ? changed(answer, { headers: { 'access-control-allow-origin': 'https://probe.example' } })
          : answer,
    },
    (found) =>
      expect(found).toEqual([
        'a page of another origin reads no answer of the mint',
        'a preflight of another origin is granted nothing',
      ]),
  ],
  [
    'that takes any credential for a good one',
    'mint',
    {
      ask: ({ url, init }) => {
        const { serviceToken } = inject('stack');
        const own = `Basic ${btoa(`${serviceToken.clientId}:${serviceToken.clientSecret}`)}`;
        const headers = new Headers(init.headers);
        if (headers.has('authorization')) headers.set('authorization', own);
        return { url, init: { ...init, headers } };
      },
    },
    (found) =>
      expect(found).toEqual([
        'an unknown client gets no ticket, and does not become anonymous',
        'a bearer token that is none gets no ticket',
        'a ticket is no credential for another ticket',
        'another scheme of authentication gets no ticket',
      ]),
  ],
  [
    'that takes every token for active',
    'oauth',
    { answer: at('/introspect', { edit: () => '{"active":true}' }) },
    (found) =>
      expect(found).toEqual([
        'an own ticket is active, with its claims',
        'a text that is no ticket is inactive, and no more is said',
        'an altered ticket is inactive, and no more is said',
        'a ticket of nobody is inactive, and no more is said',
        'a revoked ticket is inactive',
      ]),
  ],
  [
    'whose revocations do nothing',
    'oauth',
    {
      ask: ({ url, init }) =>
        url.endsWith('/revoke') ? { url, init: { ...init, body: 'token=probe' } } : { url, init },
    },
    (found) =>
      expect(found).toEqual([
        'a revoked ticket is inactive',
        'a revoked ticket opens no socket',
        'the session of a revoked ticket ends',
      ]),
  ],
  [
    'whose gate burns no ticket and knows no time',
    'upgrades',
    { open: admitting },
    (found) => expect(found).toEqual(expect.arrayContaining(names('upgrades').slice(0, 5))),
  ],
  [
    'whose gate verifies nothing',
    'refusals',
    { open: admitting },
    (found) => expect(found).toEqual(names('refusals').slice(0, BAD_TICKETS.length)),
  ],
  [
    'whose gate reads a ticket in the query',
    'plain-requests',
    {
      ask: ({ url, init }) => {
        const ticket = new URL(url).searchParams.get('ticket');
        if (ticket === null) return { url, init };
        return { url, init: { ...init, headers: { authorization: `Bearer ${ticket}` } } };
      },
    },
    (found) => expect(found).toEqual(['a ticket in the query is not read']),
  ],
  [
    'whose gate asks for no origin',
    'origins',
    { open: ({ url, protocols }) => ({ url, protocols }) },
    (found) =>
      expect(found).toEqual([...names('origins').slice(0, 4), 'the try of such a page uses no ticket up']),
  ],
  [
    'whose gate takes commands of anybody',
    'control',
    { answer: (answer, { url }) => (url.endsWith('/control') ? changed(answer, { status: 200 }) : answer) },
    (found) => expect(found).toEqual(names('control')),
  ],
  [
    'whose objects check no scope',
    'sessions',
    { open: admitting, who: 'serviceToken' },
    (found) =>
      expect(found).toEqual(
        expect.arrayContaining([
          'a client without the right to read gets neither',
          'a change of state without its scope is answered with forbidden',
          'denied without its scope: a message',
        ]),
      ),
  ],
];

describe('a deployment', () => {
  it.each(FAULTY)('%s fails checks of %s', async (_what, group, between, found) => {
    const { code, faults } = await run([group], between);
    found(faults);
    expect(code).toBe(1);
  });

  it('whose gate is away fails every refusal, since an outage proves nothing', async () => {
    const proxy = await openHttpProxy(inject('stack').agentWorker);
    proxy.refuseBy(() => [1013, 'unavailable']);
    const behind = (text: string): string =>
      text.replaceAll(new URL(inject('stack').agentWorker).host, new URL(proxy.url).host);
    const { code, faults } = await run(['refusals'], {
      answer: (answer, { url }) => (url.endsWith('/tickets') ? changed(answer, { edit: behind }) : answer),
    });
    expect(faults).toEqual(names('refusals'));
    expect(code).toBe(1);
  });
});
