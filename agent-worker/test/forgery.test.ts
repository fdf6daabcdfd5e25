import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { AgentSlug, PrincipalId, SessionId } from '@agent-ticket/shared/names.ts';
import { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import { routeAgentRequest } from 'agents';
import { describe, expect, test } from 'vitest';
import {
  CF_MEMBERS,
  commandRequest,
  mcpRequest,
  questionRequest,
  writeHandover,
  writeTicketless,
} from '../src/handover.ts';
import { cutoff, placeOf } from './commands.ts';
import { gate } from './gate.ts';
import { counter, ownSessions, receivedBy, witness } from './objects.ts';
import { ask, connect, Socket } from './sockets.ts';
import { AUDIENCE, ISSUER, makeTicket, NOW, newInstance, SUBJECT, signer } from './tickets.ts';

/** What a client or careless code can make up, and how far it gets. */

const INTERNAL = {
  'x-agents-lifecycle-props': btoa(JSON.stringify({ role: 'owner' })),
  'x-agents-anything': '1',
  'x-cf-agents-subagent-url': 'http://127.0.0.1:8788/agents/witness/x/sub/counter/forged',
  'x-partykit-room': 'other',
  'x-partykit-props': '{}',
  'cf-mcp-method': 'POST',
  'cf-mcp-message': 'e30=',
  'x-agent-ticket-claims': '{}',
  'x-agent-ticket-denial': 'agent_failed',
};

const fullTicket = (instance: string) =>
  makeTicket({
    instance,
    agent: 'witness',
    scope: 'agent:connect agent:state:read agent:message agent:rpc:*',
  });

const claims = (other: object) =>
  TicketClaims.parse({
    iss: ISSUER,
    aud: AUDIENCE,
    sub: SUBJECT,
    jti: crypto.randomUUID(),
    iat: NOW,
    nbf: NOW,
    exp: NOW + 60,
    agent: 'witness',
    instance: 'room-1',
    scope: 'agent:connect agent:state:read agent:message agent:rpc:*',
    role: 'owner',
    tier: 'admin',
    transport: 'websocket',
    session_expiry: NOW + 3600,
    rev: 7,
    ...other,
  });
const handover = ({
  sessionId = crypto.randomUUID(),
  ...other
}: {
  sessionId?: string;
  [claim: string]: unknown;
}) =>
  writeHandover(
    undefined,
    { claims: claims(other), kid: signer.kid },
    {
      sessionId: SessionId.parse(sessionId),
      delivery: 'query',
      requestId: 'r',
      ipAddress: null,
      userAgent: null,
      limits: { socketsPerPrincipal: 16, messagesPerSecond: 20, frameBytes: 65536 },
      feed: 'fresh',
    },
  );

describe('through the gate', () => {
  test("a client's copies of internal headers do not arrive on an upgrade", async () => {
    const instance = newInstance();
    const ticket = await fullTicket(instance);
    const socket = await connect(`/agents/witness/${instance}`, { ticket, headers: INTERNAL, front: gate });
    const seen = await socket.frame('seen');
    expect(Object.keys(Object(seen.headers)).filter((name) => name in INTERNAL)).toEqual([]);
    expect(seen.props).toBe('none');
    expect(await socket.frame('cf_agent_identity')).toMatchObject({ agent: 'witness', name: instance });
    const facets = await runInDurableObject(witness(instance), (agent) => agent.listSubAgents());
    expect(facets).toEqual([]);
  });

  test("a client's copies of internal headers do not arrive on a plain request, whatever their case", async () => {
    const instance = newInstance();
    const ticket = await fullTicket(instance);
    const shouting = Object.fromEntries(
      Object.entries(INTERNAL).map(([name, value]) => [name.toUpperCase(), value]),
    );
    const answer = await ask(`/agents/witness/${instance}`, { ticket, headers: shouting, front: gate });
    const seen: { headers: Record<string, string> } = await answer.json();
    expect(Object.keys(seen.headers).filter((name) => name in INTERNAL)).toEqual([]);
    expect(seen.headers.authorization).toBeUndefined();
    expect(await runInDurableObject(witness(instance), (agent) => agent.props)).toBe('none');
  });

  test('a client chooses neither its connection id nor its wire', async () => {
    const instance = newInstance();
    const query = '?_pk=victim&_pk=second&__agents_transport=capnweb&x=1';
    const socket = await connect(`/agents/witness/${instance}${query}`, {
      ticket: await fullTicket(instance),
      front: gate,
    });
    const seen = await socket.frame('seen');
    const [session] = await ownSessions(witness(instance));
    expect(seen).toMatchObject({ id: session?.id, hibernates: true });
    expect(new URL(String(seen.url)).search).toBe(`?_pk=${session?.id}&x=1`);
  });

  /** One well-formed value of each member, as the worker itself would write it. */
  const forged = (instance: string, session: string): Readonly<Record<string, unknown>> => {
    const revocation = cutoff(`instance:witness/${instance}`, { kind: 'any' });
    const destroy = { op: 'destroy', ...placeOf(instance, 'witness'), revocation } as const;
    const ticket = handover({ instance, sub: 'auth0:x:admin', sessionId: session });
    return {
      ...ticket,
      ...writeTicketless(undefined, {
        ...placeOf(instance, 'witness'),
        principal: PrincipalId.parse('worker:nightly'),
        role: 'owner',
        scope: [],
        requestId: 'r',
        ipAddress: null,
        userAgent: null,
      }),
      ...commandRequest(destroy).cf,
      ...questionRequest({ sessions: [SessionId.parse(session)] }).cf,
      ...mcpRequest(commandRequest(destroy), {
        op: 'end',
        agent: AgentSlug.parse('witness'),
        name: instance,
      }).cf,
    };
  };

  test('every member of ours in cf is forged below', () => {
    expect(Object.keys(forged('x', crypto.randomUUID())).toSorted()).toEqual([...CF_MEMBERS].toSorted());
  });

  test.for([...CF_MEMBERS, 'agentTicketOfTomorrow'])(
    "a client's cf does not reach the object: %s",
    async (member) => {
      const instance = newInstance();
      const held = await connect(`/agents/witness/${instance}`, {
        ticket: await fullTicket(instance),
        front: gate,
      });
      const { id } = await held.frame('seen');
      const cf = { [member]: forged(instance, String(id))[member] ?? true, colo: 'AMS' };
      const headers = { authorization: `Bearer ${await fullTicket(instance)}` };
      const url = `http://127.0.0.1:8788/agents/witness/${instance}`;
      const plain = await gate(new Request(url, { headers, cf }));
      expect(plain.status).toBe(200);
      expect(await plain.json()).toMatchObject({ principal: { principal: SUBJECT } });
      const socket = new Socket(
        await gate(new Request(url, { headers: { ...headers, upgrade: 'websocket' }, cf })),
      );
      const seen = await socket.frame('seen');
      expect(seen.principal).toMatchObject({ principal: SUBJECT });
      expect(Object.keys(Object(seen.cf)).toSorted()).toEqual(['agentTicket', 'colo']);
      // Neither ended, destroyed nor answered in place of the agent.
      expect(await held.call('whoami')).toMatchObject({ success: true });
      expect(await ownSessions(witness(instance))).toHaveLength(2);
    },
  );

  test('a client reaches no answer of the object that looks like a refusal of ours', async () => {
    const instance = newInstance();
    const answer = await ask(`/agents/witness/${instance}`, {
      ticket: await fullTicket(instance),
      front: gate,
    });
    expect(answer.headers.get('x-agent-ticket-denial')).toBeNull();
  });
});

describe('past the gate', () => {
  const URL_OF = (instance: string) => `http://127.0.0.1:8788/agents/witness/${instance}?_pk=mine`;

  const WITHOUT_CLAIMS: [string, RequestInit<CfProperties>][] = [
    ['nothing', {}],
    ['an internal header', { headers: INTERNAL }],
    ['claims in a header', { headers: { 'x-agent-ticket-claims': JSON.stringify(handover({})) } }],
    ['an empty member', { cf: { agentTicket: {} } }],
    ['a member that is a text', { cf: { agentTicket: JSON.stringify(handover({})) } }],
    ['claims without a session', { cf: { agentTicket: { claims: claims({}), kid: signer.kid } } }],
  ];

  test.for(WITHOUT_CLAIMS)('a request to the object with %s is refused', async ([, init]) => {
    const instance = newInstance();
    for (const headers of [{}, { upgrade: 'websocket' }]) {
      const answer = await witness(instance).fetch(URL_OF(instance), {
        ...init,
        headers: { ...init.headers, ...headers },
      });
      expect(answer.status).toBe(403);
      expect(answer.webSocket).toBeNull();
      expect(await answer.text()).toBe('');
    }
    expect(await runInDurableObject(witness(instance), (agent) => agent.props)).toBe('never started');
    expect(await ownSessions(witness(instance))).toEqual([]);
  });

  test.for([
    ['another instance', { instance: 'room-2' }],
    ['another agent', { agent: 'counter' }],
    ['an agent that has no binding', { agent: 'unknown-agent' }],
    ['an agent whose binding is no namespace', { agent: 'record' }],
  ])('claims that name %s are refused by the object', async ([, other]) => {
    const instance = newInstance();
    for (const headers of [{}, { upgrade: 'websocket' }]) {
      const answer = await witness(instance).fetch(URL_OF(instance), {
        headers,
        cf: handover({ instance, ...Object(other) }),
      });
      expect(answer.status).toBe(403);
      expect(answer.headers.get('x-agent-ticket-denial')).toBe('destination_wrong');
      expect(answer.webSocket).toBeNull();
    }
    expect(await ownSessions(witness(instance))).toEqual([]);
  });

  test.for(['websocket', undefined])(
    'routeAgentRequest gets nothing out of an object (upgrade: %s)',
    async (upgrade) => {
      const instance = newInstance();
      const ticket = await fullTicket(instance);
      const headers = {
        ...INTERNAL,
        authorization: `Bearer ${ticket}`,
        ...(upgrade === undefined ? {} : { upgrade }),
      };
      for (const path of [
        `witness/${instance}`,
        `counter/${instance}`,
        `witness/${instance}/sub/counter/x`,
      ]) {
        const answer = await routeAgentRequest(
          new Request(`http://127.0.0.1:8788/agents/${path}`, { headers }),
          env,
        );
        expect(answer?.status).toBe(403);
        expect(answer?.webSocket ?? null).toBeNull();
        expect(await answer?.text()).toBe('');
      }
      expect(await ownSessions(witness(instance))).toEqual([]);
      expect(await ownSessions(counter(instance))).toEqual([]);
      expect(await receivedBy(instance)).toEqual([]);
    },
  );
});
