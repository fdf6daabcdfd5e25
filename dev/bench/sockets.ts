/** Opens a socket, waits for the first frame of the agent, and leaves. Rejects when it closes before. */
export const firstFrame = (url: string, protocols: readonly string[] = []): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url, [...protocols]);
    socket.addEventListener('message', () => {
      socket.close(1000);
      resolve();
    });
    socket.addEventListener('close', ({ code, reason }) => reject(new Error(`${url}: ${code} ${reason}`)));
    socket.addEventListener('error', () => reject(new Error(`${url}: no connection`)));
  });

/** Asks for a socket with a ticket that must not open one. A client that asks for JSON is refused by a status. */
export async function refused(url: string, ticket: string): Promise<void> {
  const answer = await fetch(`${url.replace('ws:', 'http:')}`, {
    headers: { accept: 'application/json', authorization: `Bearer ${ticket}` },
  });
  await answer.arrayBuffer();
  if (answer.status !== 401) throw new Error(`${url}: ${answer.status}, and 401 was right`);
}
