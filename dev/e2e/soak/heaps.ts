import * as z from 'zod';

/** Workers of this repository, by their names in the inspector of workerd. The other ones are of the local runtime. */
const OWN = /^core:user:(broker|agent-worker)$/;

const Targets = z.array(z.object({ id: z.string(), webSocketDebuggerUrl: z.url() }));
const Usage = z.object({
  id: z.literal(2),
  result: z.object({
    usedSize: z.number(),
    embedderHeapUsedSize: z.number(),
    backingStorageSize: z.number(),
  }),
});

/**
 * Kilobytes that the code of both workers and their objects holds, after a collection of garbage. The resident memory of
 * the process also has what V8 and SQLite have not given back, which depends on the load of the machine.
 *
 * @param inspector the address of the inspector of workerd.
 */
export async function heldKilobytes(inspector: string): Promise<number> {
  const targets = Targets.parse(await (await fetch(`${inspector}/json`)).json());
  const own = targets.filter(({ id }) => OWN.test(id));
  if (own.length !== 2) throw new Error(`${own.length} workers at the inspector`);
  const held = await Promise.all(own.map(({ webSocketDebuggerUrl }) => heldBytes(webSocketDebuggerUrl)));
  return held.reduce((sum, each) => sum + each, 0) / 1024;
}

function heldBytes(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    const ask = (id: number, method: string): void => socket.send(JSON.stringify({ id, method }));
    socket.addEventListener('open', () => {
      ask(1, 'HeapProfiler.collectGarbage');
      ask(2, 'Runtime.getHeapUsage');
    });
    socket.addEventListener('message', ({ data }) => {
      const usage = Usage.safeParse(JSON.parse(String(data)));
      if (!usage.success) return;
      const { usedSize, embedderHeapUsedSize, backingStorageSize } = usage.data.result;
      socket.close();
      resolve(usedSize + embedderHeapUsedSize + backingStorageSize);
    });
    socket.addEventListener('error', () => reject(new Error(`no inspector at ${url}`)));
  });
}
