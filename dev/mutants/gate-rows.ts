// biome-ignore-all lint/suspicious/noTemplateCurlyInString: originals and replacements are code.
import { type Mutant, of } from './mutant.ts';

/** Conditions of the gate, of the admission of a ticket by an object, and of commands to it. */

const inWorkerd = (...names: readonly string[]): string[] =>
  names.map((name) => `agent-worker/test/${name}.test.ts`);
const ROUTE_TESTS = ['route', 'route-properties'].map((name) => `agent-worker/src/gate/${name}.test.ts`);

export const GATE_MUTANTS: readonly Mutant[] = [
  ...of('agent-worker/src/gate/route.ts', ROUTE_TESTS, [
    ["  if (instance === 'sub') return err('agent_unknown');\n", ''],
    ['rest.some(isSubMarker) && !reachesListedSubAgent(rest, entry)', 'false'],
    ['if (!allow.includes(method))', 'if (false)'],
    ["isUpgrade ? ['GET'] : ROUTES.agent.methods", 'ROUTES.agent.methods'],
    ['entry.instances !== undefined && !entry.instances.includes(name.data)', 'false'],
    ['/^(s|%73)(u|%75)(b|%62)$/i', '/^sub$/'],
    ["marker === 'sub' &&", ''],
    ['(entry.subAgents ?? []).includes(slug) &&', ''],
    ['InstanceName.safeParse(name).success &&', ''],
    ['!deeper.some(isSubMarker)', 'true'],
    ['!READS.includes(method)', "method === 'POST'"],
  ]),
  ...of(
    'agent-worker/src/gate/answer.ts',
    ['agent-worker/src/gate/answer.test.ts', ...inWorkerd('gate-places')],
    [
      ['allowed.includes(origin);', 'allowed.some((each) => origin.startsWith(each));'],
      ['answer.status === 101 || !originAllowed(request, allowedOrigins)', 'answer.status === 101'],
    ],
  ),
  ...of('agent-worker/src/gate.ts', inWorkerd('gate-places'), [
    ['if (!originAllowed(request, config.allowedOrigins))', 'if (false)'],
  ]),
  ...of('agent-worker/src/gate.ts', inWorkerd('gate-order'), [
    ["url.protocol === 'http:' && !config.development", 'false && !config.development'],
    ["  if (!entry.deliveries.includes(delivery)) return err('ticket_delivery_not_allowed');\n", ''],
  ]),
  ...of('agent-worker/src/gate.ts', inWorkerd('gate-order', 'gate-tickets'), [
    ['scope: upgrade ? CONNECT : isWrite(request.method) ? MESSAGE : STATE_READ,', 'scope: CONNECT,'],
    ["transport: upgrade ? 'websocket' : undefined,", 'transport: undefined,'],
  ]),
  ...of('agent-worker/src/gate.ts', inWorkerd('callback-limits'), [
    ['  if (revoked !== undefined) return err(revoked.code);\n', ''],
  ]),
  ...of('agent-worker/src/gate.ts', inWorkerd('fresh-revocations', 'lost-rights', 'revocations'), [
    ['inside.ok && isSlow ? await check() : inside', 'inside'],
    ['{ waits: !upgrade, keepAlive', '{ waits: false, keepAlive'],
  ]),
  ...of('agent-worker/src/ticketed/admission.ts', inWorkerd('admission'), [
    ['now / 1000 >= ticket.claims.exp + CLOCK_SKEW_SECONDS', 'false'],
    ["if (burnStore(sql).sessionOf(claims.jti) !== undefined) return err('ticket_used');", ''],
  ]),
  ...of('agent-worker/src/ticketed/admission.ts', inWorkerd('limits'), [
    ['sessions.countOpen(claims.sub) >= limits.socketsPerPrincipal ||', ''],
    ['sessions.countOpen(claims.sub) >= limits', 'sessions.countOpen(claims.sub) > limits'],
    ["  if (isCrowded) return err('too_many_sockets');\n", ''],
    [
      'most = new Map([[`principal ${claims.sub}`, limits.messagesPerSecond]])',
      'most = new Map<string, number>()',
    ],
  ]),
  ...of('agent-worker/src/ticketed/admission.ts', inWorkerd('revocations'), [
    ['  if (!checked.ok) return checked;\n', ''],
    ['  noteOpened(sql, handover);\n', ''],
  ]),
  ...of('agent-worker/src/ticketed/admission.ts', inWorkerd('expiry'), [
    ['claims.session_expiry * 1000, now)', 'claims.session_expiry * 1000 + 3_600_000, now)'],
  ]),
  ...of('drizzle/object/burns.ts', inWorkerd('renewal'), [
    ['      if (sessionOf(jti) !== undefined) return false;\n', ''],
    ['UNION ALL SELECT session_id FROM ticket_burns WHERE jti = ?1 LIMIT 1', 'LIMIT 1'],
  ]),
  ...of('drizzle/object/revocations.ts', inWorkerd('revocations', 'endings', 'control'), [
    [
      'until = excluded.until, code = excluded.code WHERE excluded.rev > rev`',
      'until = excluded.until, code = excluded.code`',
    ],
    ["(kind = 'before' AND rev > ?)", "(kind = 'before' AND rev > ? + 1)"],
    ["(kind = 'issued' AND rev >= ?)", "(kind = 'issued' AND rev >= ? + 60000)"],
    ["UNION ALL SELECT 1 FROM ticket_revocations WHERE id = 'destroyed'", ''],
  ]),
  ...of('agent-worker/src/ticketed/commands.ts', inWorkerd('revocations', 'endings', 'control'), [
    ['return !isDecidedLater && isHit(', 'return isHit('],
    ['  if (destruction.isDoneFor(revocation)) return { closed: 0 };\n', ''],
    ['if (!isOpened) revocations.apply(revocation);', ''],
  ]),
];
