import { QUERY_PARAMETER } from '@agent-ticket/shared/handshake.ts';
import { flipped, partsOf, withTicket } from './bad-tickets.ts';
import {
  admitted,
  asking,
  type Check,
  closedWith,
  fault,
  header,
  isNotStored,
  judge,
  opening,
  refusal,
  skipped,
  status,
} from './check.ts';
import type { Answer, Request, Target } from './target.ts';

/** Requests to the gate that open no socket, pages of other origins, and commands without a valid signature. */

const FRAMES = 'Frames and plain requests';
const GATE = 'The agent worker';

const bearer = (ticket: string) => ({ authorization: `Bearer ${ticket}` });

/** A request to the instance with the good ticket. It does not use up the ticket. */
const get = (target: Target, request: Request = {}, more = ''): Promise<Answer> =>
  target.ask(`${target.httpUrl}${more}`, {
    ...request,
    headers: { ...bearer(target.good.httpTicket), ...request.headers },
  });

const sibling = ({ httpUrl }: Target, place: string): string => httpUrl.replace(/[^/]+\/[^/]+$/, place);

/** Whether the gate forwarded the request. The agent may give any answer, but not one of these refusals. */
const reachesAgent = (answer: Answer): string | undefined =>
  [401, 403, 405, 413, 429, 503].includes(answer.status) ? `was refused with ${answer.status}` : undefined;

const challenged = [...refusal(401, 'UNAUTHORIZED'), header('www-authenticate', /^Bearer/)];

const refusedWithout = (name: string, headers: (target: Target) => Readonly<Record<string, string>>): Check =>
  asking(
    name,
    'RFC 6750 §3',
    (target) => target.ask(target.httpUrl, { headers: headers(target) }),
    challenged,
  );

/** In the form of a service token, as the caller's own credential is for the broker alone. */
const MADE_UP = {
  authorization: `Basic ${btoa(`svc_${'A'.repeat(22)}:atk_${'A'.repeat(22)}_${'A'.repeat(49)}`)}`,
};

export const PLAIN_REQUESTS: readonly Check[] = [
  asking('a ticket in Authorization reaches the agent', FRAMES, (target) => get(target), [
    reachesAgent,
    isNotStored,
    header('x-content-type-options', /nosniff/),
  ]),
  {
    name: 'plain requests do not use up the ticket',
    clause: FRAMES,
    run: async (target) => {
      const { ticket } = await target.mint();
      for (let count = 0; count < 3; count += 1) await get(target, { headers: bearer(ticket) });
      return judge(await target.show(withTicket(target.good, ticket)), [admitted]);
    },
  },
  refusedWithout('a request without a ticket is challenged', () => ({})),
  refusedWithout('a request with another scheme is challenged', ({ good }) => ({
    authorization: `Basic ${btoa(`ticket:${good.httpTicket}`)}`,
  })),
  refusedWithout('a request with an altered ticket is challenged', ({ good }) => {
    const [head, payload, signature] = partsOf(good.httpTicket);
    return bearer(`${head}.${payload}.${flipped(signature)}`);
  }),
  refusedWithout('a service token of the broker is not a ticket', () => MADE_UP),
  asking(
    'a ticket in the query is not read',
    'RFC 9700 §4.3.2',
    ({ ask, httpUrl, good }) => ask(`${httpUrl}?${QUERY_PARAMETER}=${good.httpTicket}`),
    refusal(401, 'UNAUTHORIZED'),
  ),
  asking(
    'a ticket of another instance is refused',
    GATE,
    (target) => {
      const { agent, instance } = target.good;
      const url = sibling(target, `${agent}/${instance === 'probe-other' ? 'probe-another' : 'probe-other'}`);
      return target.ask(url, { headers: bearer(target.good.httpTicket) });
    },
    refusal(403, 'FORBIDDEN'),
  ),
  ...[
    ['an unknown agent is not found', 'probe-no-such-agent/main', 404, 'NOT_FOUND'],
    ['a sub-agent that is not listed is not found', 'AGENT/INSTANCE/sub/probe/child', 404, 'NOT_FOUND'],
    ['an escaped sub-agent is not found', 'AGENT/INSTANCE/%73ub/probe/child', 404, 'NOT_FOUND'],
    ['an instance with an escaped slash is refused', 'AGENT/a%2fb', 400, 'BAD_REQUEST'],
    ['an instance with a NUL is refused', 'AGENT/a%00', 400, 'BAD_REQUEST'],
    ['an instance with an escaped letter is refused', 'AGENT/%61', 400, 'BAD_REQUEST'],
    ['an instance that is too long is refused', `AGENT/${'a'.repeat(129)}`, 400, 'BAD_REQUEST'],
    ['an agent in capitals is not found', 'AGENT!/INSTANCE', 404, 'NOT_FOUND'],
  ].map(([name, place, code, error]) =>
    asking(
      String(name),
      'RFC 3986 §6.2.2',
      (target) => {
        const { agent, instance } = target.good;
        const path = String(place)
          .replace('AGENT!', agent.toUpperCase())
          .replace('AGENT', agent)
          .replace('INSTANCE', instance);
        return target.ask(sibling(target, path), { headers: bearer(target.good.httpTicket) });
      },
      refusal(Number(code), String(error)),
    ),
  ),
  {
    name: 'a write needs the scope for messages',
    clause: FRAMES,
    run: async (target) => {
      if (!target.scope.includes('agent:state:read')) return skipped('the credential may not read');
      const { ticket } = await target.mint({ transport: 'http', scope: 'agent:state:read' });
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
        const found = judge(
          await get(target, { method, headers: bearer(ticket) }),
          refusal(403, 'FORBIDDEN'),
        );
        if (found !== undefined) return found;
      }
      return undefined;
    },
  },
  {
    name: 'a read needs the scope for state',
    clause: FRAMES,
    run: async (target) => {
      const { ticket } = await target.mint({ transport: 'http', scope: 'agent:connect' });
      return judge(await get(target, { headers: bearer(ticket) }), refusal(403, 'FORBIDDEN'));
    },
  },
  asking(
    'an unknown method is refused',
    'RFC 9110 §15.5.6',
    (target) => get(target, { method: 'PROPFIND' }),
    [...refusal(405, 'METHOD_NOT_ALLOWED'), header('allow', /\bGET\b/)],
  ),
  asking(
    'a ticket for sockets opens no plain request after it was revoked',
    'RFC 7009 §2',
    async (target) => {
      const { ticket } = await target.mint();
      const form = { 'content-type': 'application/x-www-form-urlencoded' };
      await target.ask('/revoke', {
        method: 'POST',
        headers: { ...target.own, ...form },
        body: `token=${ticket}`,
      });
      target.written.revocations += 1;
      await target.wait(1_500);
      return get(target, { headers: bearer(ticket) });
    },
    refusal(403, 'FORBIDDEN'),
  ),
  {
    name: 'a ticket is refused after the end of its session',
    clause: FRAMES,
    run: async (target) => {
      const { ticket } = await target.mint();
      const opened = await target.open(withTicket(target.good, ticket));
      if ('refused' in opened) return fault(opened.refused);
      opened.socket.close();
      await opened.socket.closed();
      return judge(await get(target, { headers: bearer(ticket) }), [status(401)]);
    },
  },
  asking(
    'the metadata of a protected resource are served, or do not exist',
    'RFC 9728 §3.3',
    ({ ask, httpUrl }) => {
      const { origin, pathname } = new URL(httpUrl);
      return ask(`${origin}/.well-known/oauth-protected-resource${pathname}`);
    },
    [status(200, 404), header('x-request-id', /./)],
  ),
];

const FOREIGN: readonly (readonly [string, (target: Target) => string])[] = [
  ['of another site', () => 'https://probe.example'],
  ['without an origin of its own', () => 'null'],
  ['whose name begins like the agent worker', ({ httpUrl }) => `${new URL(httpUrl).origin}.probe.example`],
  ['of another port', ({ httpUrl }) => `${new URL(httpUrl).protocol}//${new URL(httpUrl).hostname}:1`],
];

export const ORIGINS: readonly Check[] = [
  ...FOREIGN.map(([what, origin]) =>
    opening(
      `a page ${what} opens no socket`,
      'RFC 6455 §10.2',
      (target) =>
        target.show({
          ...withTicket(target.good, target.good.ticket),
          headers: { origin: origin(target) },
        }),
      [closedWith(4003, 'forbidden')],
    ),
  ),
  ...FOREIGN.slice(0, 2).map(([what, origin]) =>
    asking(
      `a page ${what} reads nothing`,
      'Fetch §3.3',
      (target) => get(target, { headers: { origin: origin(target) } }),
      [...refusal(403, 'FORBIDDEN'), header('access-control-allow-origin', undefined)],
    ),
  ),
  asking(
    'a preflight of another site is granted nothing',
    'Fetch §3.3',
    ({ ask, httpUrl }) =>
      ask(httpUrl, {
        method: 'OPTIONS',
        headers: { origin: 'https://probe.example', 'access-control-request-method': 'GET' },
      }),
    [header('access-control-allow-origin', undefined), header('access-control-allow-methods', undefined)],
  ),
  {
    name: 'the try of such a page uses no ticket up',
    clause: GATE,
    run: async (target) => {
      const { ticket } = await target.mint();
      const good = withTicket(target.good, ticket);
      await target.show({ ...good, headers: { origin: 'https://probe.example' } });
      return judge(await target.show(good), [admitted]);
    },
  },
];

const control = ({ httpUrl }: Target): string => `${new URL(httpUrl).origin}/control`;

export const CONTROL: readonly Check[] = [
  asking(
    'a command without a signature is refused',
    GATE,
    (target) => target.ask(control(target), { method: 'POST' }),
    refusal(401, 'UNAUTHORIZED'),
  ),
  asking(
    'a ticket is not accepted as a command',
    'RFC 8725 §3.12',
    (target) => target.ask(control(target), { method: 'POST', headers: bearer(target.good.ticket) }),
    refusal(401, 'UNAUTHORIZED'),
  ),
  asking(
    'a service token is not accepted as a command',
    'RFC 8725 §3.12',
    (target) => target.ask(control(target), { method: 'POST', headers: MADE_UP }),
    refusal(401, 'UNAUTHORIZED'),
  ),
  asking('a GET is refused', 'RFC 9110 §15.5.6', (target) => target.ask(control(target)), [
    ...refusal(405, 'METHOD_NOT_ALLOWED'),
    header('allow', /\bPOST\b/),
  ]),
];
