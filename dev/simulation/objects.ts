import { createHash } from 'node:crypto';
import { openSqlite, type Row, type Sqlite } from './databases.ts';
import { SimSocket } from './sockets.ts';
import type { Clock, Life, Link, World } from './world.ts';

/** The id of an object, as the Workers runtime makes it from a name. */
class ObjectId {
  readonly name: string;
  readonly #hex: string;
  constructor(namespace: string, name: string) {
    this.name = name;
    this.#hex = createHash('sha256').update(`${namespace} ${name}`).digest('hex');
  }
  toString(): string {
    return this.#hex;
  }
  equals(other: unknown): boolean {
    return String(other) === this.#hex;
  }
}

/** The storage of one object. It stays when the object ends in memory, and every write is durable at once. */
function createStorage(world: World, onAlarm: (at: number) => void) {
  let sqlite: Sqlite = openSqlite(world.clock);
  const keys = new Map<string, unknown>();
  let alarmAt: number | null = null;
  const exec = (sql: string, ...values: readonly unknown[]) => {
    const rows = sqlite.all(sql, values);
    return {
      toArray: () => rows,
      one(): Row {
        const [row] = rows;
        if (row === undefined || rows.length > 1) throw new Error('expected exactly one row');
        return row;
      },
      [Symbol.iterator]: () => rows[Symbol.iterator](),
      rowsRead: rows.length,
      rowsWritten: 0,
    };
  };
  const kv = {
    get: (key: string): unknown => structuredClone(keys.get(key)),
    put: (key: string, value: unknown): void => void keys.set(key, structuredClone(value)),
    delete: (key: string): boolean => keys.delete(key),
    list: ({ prefix = '', limit = Number.POSITIVE_INFINITY } = {}): [string, unknown][] =>
      [...keys].filter(([key]) => key.startsWith(prefix)).slice(0, limit),
  };
  const storage = {
    sql: { exec, databaseSize: 0 },
    kv,
    get: async (key: string): Promise<unknown> => kv.get(key),
    put: async (key: string, value: unknown): Promise<void> => kv.put(key, value),
    delete: async (key: string): Promise<boolean> => kv.delete(key),
    list: async (options?: { prefix?: string; limit?: number }) => new Map(kv.list(options)),
    transactionSync: (work: () => unknown): unknown => work(),
    async setAlarm(at: number | Date): Promise<void> {
      alarmAt = Number(at);
      onAlarm(alarmAt);
    },
    getAlarm: async (): Promise<number | null> => alarmAt,
    async deleteAlarm(): Promise<void> {
      alarmAt = null;
    },
    async sync(): Promise<void> {},
    async deleteAll(): Promise<void> {
      sqlite.close();
      sqlite = openSqlite(world.clock);
      keys.clear();
      alarmAt = null;
    },
  };
  return {
    storage,
    rows: (sql: string): Row[] => sqlite.all(sql),
    close: (): void => sqlite.close(),
    alarmAt: (): number | null => alarmAt,
    /** Called before the alarm handler: an alarm that the handler sets is a new alarm. */
    takeAlarm(): void {
      alarmAt = null;
    },
  };
}

/** One Durable Object. */
export interface SimObject {
  readonly name: string;
  readonly id: ObjectId;
  readonly durable: ReturnType<typeof createStorage>;
  sockets: SimSocket[];
  running: { readonly life: Life; readonly instance: object } | undefined;
}

interface HostOptions {
  readonly world: World;
  /** Name of the binding. */
  readonly name: string;
  readonly construct: (ctx: object) => object;
  /** The clock of the machine on which an object starts. */
  readonly place: () => Clock;
}

const LOST = (): Error => Object.assign(new Error('Network connection lost.'), { retryable: true });
const ALARM_RETRY_MS = 2_000;
const LEAST_ALARM_MS = 5;

/** Calls a method of an object of an unknown class. */
export function invoke(object: object, method: string, values: readonly unknown[]): unknown {
  const member: unknown = Reflect.get(object, method);
  if (typeof member !== 'function') throw new TypeError(`no method ${method}`);
  return Reflect.apply(member, object, values);
}

/** All objects of one class. A call starts an object that is not in memory. */
export function createHost({ world, name, construct, place }: HostOptions) {
  const objects = new Map<string, SimObject>();
  const link: Link = { name, usualMs: 4, lost: LOST, isAway: () => false };
  const network = world.startLife(`network of ${name}`);

  function find(instance: string): SimObject {
    const known = objects.get(instance);
    if (known !== undefined) return known;
    const object: SimObject = {
      name: instance,
      id: new ObjectId(name, instance),
      durable: createStorage(world, (at) => plan(object, at)),
      sockets: [],
      running: undefined,
    };
    objects.set(instance, object);
    return object;
  }

  function plan(object: SimObject, at: number): void {
    // `at` is a time of the clock of the machine that sets the alarm.
    world.later(Math.max(LEAST_ALARM_MS, at - world.clock()), network, `alarm ${name} ${object.name}`, () => {
      if (object.durable.alarmAt() === at) ring(object);
    });
  }

  /** Like the runtime, runs an alarm again if its handler fails or its object ends. */
  function ring(object: SimObject): void {
    object.durable.takeAlarm();
    const again = (): void => {
      if (object.durable.alarmAt() === null)
        world.within(network, () => object.durable.storage.setAlarm(world.time() + ALARM_RETRY_MS));
    };
    const { life, instance } = wake(object);
    life.answering.add(again);
    world.within(life, () => {
      Promise.resolve()
        .then(() => invoke(instance, 'alarm', []))
        .then(
          () => life.answering.delete(again),
          (error: unknown) => {
            life.answering.delete(again);
            world.trace(`alarm failed: ${String(error)}`);
            if (!life.isOver) again();
          },
        );
    });
  }

  function wake(object: SimObject): NonNullable<SimObject['running']> {
    if (object.running !== undefined) return object.running;
    const life = world.startLife(`${name} ${object.name}`, place());
    const instance = world.within(life, () => construct(contextOf(object, life)));
    object.running = { life, instance };
    return object.running;
  }

  /** Delivers an event of a socket. */
  function tell(object: SimObject, method: string, values: readonly unknown[]): void {
    const { life, instance } = wake(object);
    world.within(life, () => {
      Promise.resolve()
        .then(() => invoke(instance, method, values))
        .catch((error: unknown) => world.trace(`${method} failed: ${String(error)}`));
    });
  }

  function contextOf(object: SimObject, life: Life): object {
    let autoResponse: unknown = null;
    return {
      id: object.id,
      // A copy for each start of the object, because code replaces members of it.
      storage: { ...object.durable.storage },
      acceptWebSocket(socket: SimSocket, tags: readonly string[] = []) {
        socket.tags = tags;
        socket.owner = {
          frame: (end, text) => tell(object, 'webSocketMessage', [end, text]),
          closed: (end, { code, reason, wasClean }) =>
            tell(object, 'webSocketClose', [end, code, reason, wasClean]),
        };
        object.sockets.push(socket);
      },
      getWebSockets(tag?: string): SimSocket[] {
        object.sockets = object.sockets.filter((each) => each.readyState !== SimSocket.READY_STATE_CLOSED);
        return object.sockets.filter((each) => tag === undefined || each.tags.includes(tag));
      },
      getTags: (socket: SimSocket): readonly string[] => socket.tags,
      waitUntil: (work: Promise<unknown>): void => void work.catch(() => {}),
      blockConcurrencyWhile: (work: () => Promise<unknown>): Promise<unknown> => work(),
      getWebSocketAutoResponse: (): unknown => autoResponse,
      setWebSocketAutoResponse(pair: unknown): void {
        autoResponse = pair;
      },
      abort(): void {
        if (object.running?.life === life) end(object, 'reset');
      },
    };
  }

  /** Removes an object from memory. `evicted`: its sockets hibernate. `reset`: its sockets break. */
  function end(object: SimObject, how: 'evicted' | 'reset'): void {
    const { running } = object;
    if (running === undefined) return;
    object.running = undefined;
    world.endLife(running.life, LOST());
    if (how === 'evicted') return;
    for (const socket of object.sockets.splice(0)) socket.break();
  }

  const call = (instance: string, method: string, values: readonly unknown[]): Promise<unknown> => {
    const object = find(instance);
    const isPlain = method !== 'fetch';
    const sent = isPlain ? structuredClone(values) : values;
    return world.call(
      link,
      `${instance} ${method}`,
      () => wake(object).life,
      async () => {
        const answer = await invoke(wake(object).instance, method, sent);
        return isPlain ? structuredClone(answer) : answer;
      },
    );
  };

  const stub = (instance: string): object =>
    new Proxy(
      {},
      {
        get: (_target, method) =>
          typeof method !== 'string' || method === 'then'
            ? undefined
            : (...values: readonly unknown[]) => call(instance, method, values),
      },
    );
  return {
    objects,
    end,
    /** The namespace that a worker binds. */
    bind: () => ({
      idFromName: (instance: string) => find(instance).id,
      get: (id: ObjectId) => stub(id.name),
      getByName: stub,
      newUniqueId: () => new ObjectId(name, `unique ${world.random(name).below(1e9)}`),
    }),
    close(): void {
      for (const object of objects.values()) object.durable.close();
    },
  };
}
export type Host = ReturnType<typeof createHost>;
