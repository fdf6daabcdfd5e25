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

/** The storage of one object. It outlives each of its lives, and every write is durable at once. */
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
    /** Before the alarm rings: one that is set meanwhile is another. */
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
  /** Of the binding. */
  readonly name: string;
  readonly construct: (ctx: object) => object;
  /** The clock of the machine on which a new life begins. */
  readonly place: () => Clock;
}

const LOST = (): Error => Object.assign(new Error('Network connection lost.'), { retryable: true });
const ALARM_RETRY_MS = 2_000;
const LEAST_ALARM_MS = 5;

/** Calls a method of an object of whose class nothing is known. */
export function invoke(object: object, method: string, values: readonly unknown[]): unknown {
  const member: unknown = Reflect.get(object, method);
  if (typeof member !== 'function') throw new TypeError(`no method ${method}`);
  return Reflect.apply(member, object, values);
}

/** All objects of one class. Each is made when it is called, and made again when it is called after its life ended. */
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
    // By the clock of the machine that sets it.
    world.later(Math.max(LEAST_ALARM_MS, at - world.clock()), network, `alarm ${name} ${object.name}`, () => {
      if (object.durable.alarmAt() === at) ring(object);
    });
  }

  /** As the runtime does: an alarm that fails, or whose life ends, rings again. */
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

  /** An event of a socket. */
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
      // Of each life its own, since code replaces members of it.
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

  /** Ends the life of an object. `evicted`: its sockets sleep on; `reset`: they are gone with it. */
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
    /** The binding of a worker. */
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
