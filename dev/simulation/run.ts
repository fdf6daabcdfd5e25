import { ACTING_MS, type Action, drawActions, isFault } from './actions.ts';
import { watchAgents } from './agents.ts';
import { createClients } from './clients.ts';
import { type Backup, backup, empty, openMigrated, restore } from './databases.ts';
import { BROKER, createDeployment, type Deployment } from './deployment.ts';
import { checkEnding, checkLog } from './ending.ts';
import { createNotebook } from './notebook.ts';
import { createOperators } from './operators.ts';
import { insertTokens, PEOPLE, TEAM_KEYS } from './people.ts';
import { watchLog, watchPromises } from './promises.ts';
import { enter, presentWorld } from './realm.ts';
import { SimSocket } from './sockets.ts';
import { createWorld, type World } from './world.ts';

const clock = (): number => presentWorld().clock();
/** Migrated once, because migrations take long. Each run empties the databases. */
const databases = { control: openMigrated('control', clock), record: openMigrated('record', clock) };

/**
 * Time after the last fault in which all work must finish: two runs of the schedule. The second run comes after the
 * longest pause between two tries of a delivery.
 */
const HEALING_MS = 85_000;
const SCHEDULED_MS: readonly number[] = [ACTING_MS + 2_000, ACTING_MS + 64_000];

export interface Result {
  readonly seed: number;
  readonly actions: readonly Action[];
  readonly violations: readonly string[];
  /** Digest of all events, in order. */
  readonly digest: string;
  readonly steps: number;
  /** The numbers of minted tickets and of opened sessions. */
  readonly tickets: number;
  readonly sessions: number;
  readonly trace: readonly string[];
}

/**
 * One run. The same seed and actions give the same run.
 *
 * @param kept positions of the actions that happen. Left out: all actions of the seed.
 */
export async function simulate(seed: number, kept?: readonly number[], keepsTrace = false): Promise<Result> {
  const world = createWorld(seed, (answer) => {
    const socket: unknown = answer instanceof Response ? Reflect.get(answer, 'webSocket') : undefined;
    if (socket instanceof SimSocket) socket.break();
  });
  if (keepsTrace) world.keepTrace();
  const notebook = createNotebook(world.time);
  const drawn = drawActions(world.random('actions'));
  const actions = kept === undefined ? drawn : drawn.filter((_, index) => kept.includes(index));
  let deployment: Deployment | undefined;
  enter({
    world,
    fetch: (request) => {
      if (deployment === undefined) throw new TypeError('fetch failed');
      return deployment.fetch(request);
    },
    log(line) {
      world.trace(line);
      watchLog(notebook, line);
    },
  });
  empty(databases.control);
  empty(databases.record);
  insertTokens(databases.control);
  const elsewhere = ({ url }: Request): Response =>
    url.endsWith('/certs') ? Response.json(TEAM_KEYS) : new Response(null, { status: 404 });
  const onRejection = (error: unknown): void =>
    notebook.violate('no bug', error instanceof Error ? String(error.stack) : String(error));
  process.on('unhandledRejection', onRejection);
  try {
    deployment = createDeployment(world, databases, elsewhere);
    await act(world, deployment, notebook, actions);
    return {
      seed,
      actions: drawn,
      violations: notebook.violations,
      digest: world.digest(),
      steps: world.steps(),
      tickets: notebook.tickets.size,
      sessions: notebook.admitted.size,
      trace: world.lines(),
    };
  } finally {
    process.off('unhandledRejection', onRejection);
    deployment?.close();
  }
}

async function act(
  world: World,
  deployment: Deployment,
  notebook: ReturnType<typeof createNotebook>,
  actions: readonly Action[],
): Promise<void> {
  const { control, record, between, attacker } = deployment;
  const isCalm = !actions.some(isFault);
  const promises = watchPromises(world, deployment, notebook, isCalm);
  watchAgents(promises.reached);
  const fetch = (request: Request): Promise<Response> => deployment.fetch(request);
  const clients = createClients(world, notebook, fetch, promises.minted);
  const operators = createOperators(world, notebook, clients);
  const director = world.startLife('director');
  let kept: Backup | undefined;
  let restoredAt: number | undefined;

  const for_ = (ms: number, end: () => void): void => {
    world.later(ms, director, 'fault is over', end);
  };

  /** Objects that are in memory. */
  const awake = () =>
    [...deployment.hosts.values()].flatMap((host) =>
      [...host.objects.values()]
        .filter(({ running }) => running !== undefined)
        .map((object) => ({ host, object })),
    );

  /** The cron trigger wakes one of the brokers. */
  function runSchedule(): void {
    const isolate = deployment.brokers[world.random('schedule').below(deployment.brokers.length)];
    if (isolate === undefined) return;
    world.within(isolate.life, () => Promise.resolve(isolate.scheduled()).catch(() => {}));
  }

  function perform(action: Action): unknown {
    switch (action.kind) {
      case 'schedule':
        return runSchedule();
      case 'connect':
        return clients.join(action.who, action.agent, action.instance, action.pauseMs, action.times);
      case 'ask':
        return clients.read(action.who, action.agent, action.instance);
      case 'present again':
        return clients.presentAgain(action.pick);
      case 'send':
        return clients.send(action.pick);
      case 'renew':
        return clients.renew(action.pick);
      case 'leave':
        return clients.leave(action.pick);
      case 'vanish':
        return clients.vanish(action.pick);
      case 'flood':
        return clients.flood(action.who);
      case 'lock':
        // After the lock is lifted, its principal connects again at once.
        return operators
          .lock(action)
          .then((isLifted) =>
            isLifted ? clients.join(action.who, action.agent, action.instance, 0, 1) : undefined,
          );
      case 'unlock':
        return operators.unlock(action.pick);
      case 'grant':
        return operators.grant(action);
      case 'ungrant':
        return operators.ungrant(action.pick);
      case 'rotate':
        return operators.rotate(action.activate, action.times);
      case 'revoke key':
        return operators.revokeKey();
      case 'terminate':
        return operators.terminate(action.who);
      case 'delete':
        return operators.destroy(action.agent, action.instance);
      case 'crash': {
        const isolate = (action.part === 'broker' ? deployment.brokers : deployment.gates)[action.index];
        return isolate && deployment.restart(isolate);
      }
      case 'evict':
      case 'reset': {
        const found = clients.pickOf(awake(), action.pick);
        // The runtime does not evict an object that is handling a call.
        const isBusy = (found?.object.running?.life.answering.size ?? 0) > 0;
        return found?.host.end(found.object, action.kind === 'evict' && !isBusy ? 'evicted' : 'reset');
      }
      case 'outage': {
        const part = { control, record, between }[action.of];
        part.isAway = true;
        return for_(action.ms, () => {
          part.isAway = false;
        });
      }
      case 'bad network': {
        Object.assign(world.faults, { request: action.loss, answer: action.loss, slow: action.loss });
        return for_(action.ms, () => Object.assign(world.faults, { request: 0, answer: 0, slow: 0 }));
      }
      case 'capture':
        attacker.captures = true;
        return for_(action.ms, () => {
          attacker.captures = false;
        });
      case 'clock': {
        const isolate = (action.part === 'broker' ? deployment.brokers : deployment.gates)[action.index];
        if (isolate !== undefined) isolate.clock.ahead = action.ahead;
        return undefined;
      }
      case 'restore record': {
        if (kept === undefined) return undefined;
        restoredAt = world.time();
        restore(record.sqlite, kept);
        return undefined;
      }
    }
  }

  for (const [index, action] of actions.entries()) {
    const who = 'who' in action ? action.who : 'operator';
    const life = isFault(action) ? director : world.startLife(`${who} ${action.at} ${index}`);
    world.later(action.at, life, `action ${JSON.stringify(action)}`, async () => {
      try {
        await perform(action);
      } catch (error) {
        notebook.violate('no bug', error instanceof Error ? String(error.stack) : String(error));
      }
    });
  }
  if (actions.some(({ kind }) => kind === 'restore record'))
    world.later(ACTING_MS / 3, director, 'backup', () => {
      kept = backup(record.sqlite);
    });
  for (const at of SCHEDULED_MS) world.later(at, director, 'schedule', runSchedule);

  await world.runUntil(ACTING_MS + 1_000);
  // All faults end.
  Object.assign(world.faults, { request: 0, answer: 0, slow: 0 });
  for (const part of [control, record, between]) part.isAway = false;
  for (const { clock: each } of [...deployment.brokers, ...deployment.gates]) each.ahead = 0;
  const healedAt = world.time();
  const operator = world.startLife('operator at the end');
  if (restoredAt !== undefined) world.later(1_000, operator, 'accept', () => operators.acceptRestore());
  await world.runUntil(ACTING_MS + HEALING_MS);
  checkEnding(world, deployment, notebook, healedAt, restoredAt, isCalm);
  const exported: string[] = [];
  world.later(0, operator, 'export', async () => {
    for (const path of ['/admin/agents/audit/export', '/.well-known/audit-jwks.json']) {
      const answer = await fetch(new Request(`${BROKER}${path}`, { headers: PEOPLE.operator.headers }));
      exported.push(await answer.text());
    }
  });
  await world.runUntil(ACTING_MS + HEALING_MS + 20_000);
  const [ndjson = '', keySet = ''] = exported;
  await checkLog({ ndjson, keySet }, deployment, notebook);
}
