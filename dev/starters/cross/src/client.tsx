import { agentFetch } from 'agents/client';
import { useAgent } from 'agents/react';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';
import type { Lines } from './index';
import { KEY } from './key';

const HOST = 'https://agents.example.com';
const name = new URLSearchParams(location.search).get('name') ?? 'default';

/** How this page reaches an agent, by socket and by plain request. */
const useRemote = (agent: string) => ({
  options: { agent, name, host: HOST, query: { key: KEY } },
  headers: async () => ({ 'x-key': KEY }),
});

function Board() {
  const [state, setState] = useState<Lines>();
  const [answer, setAnswer] = useState('');
  const { options, headers } = useRemote('wall');
  const wall = useAgent<Lines>({ ...options, onStateUpdate: setState });
  async function ask(method: string) {
    const init = { method, headers: await headers() };
    setAnswer(await (await agentFetch({ agent: 'wall', name, host: HOST }, init)).text());
  }
  if (state === undefined) return null;
  const { lines } = state;
  return (
    <section>
      <ul id="lines">
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <button type="button" onClick={() => wall.setState({ lines: [...lines, `line ${lines.length}`] })}>
        Write
      </button>
      <button type="button" onClick={() => ask('GET')}>
        Count
      </button>
      <button type="button" onClick={() => ask('DELETE')}>
        Wipe
      </button>
      <output id="answer">{answer}</output>
    </section>
  );
}

/** Another connection to the same agent. */
function Talk() {
  const [heard, setHeard] = useState<string[]>([]);
  const wall = useAgent({
    ...useRemote('wall').options,
    onMessage: ({ data }) => {
      if (!String(data).startsWith('{')) setHeard((before) => [...before, String(data)]);
    },
  });
  return (
    <section>
      <ul id="heard">
        {heard.map((words) => (
          <li key={words}>{words}</li>
        ))}
      </ul>
      <button type="button" onClick={() => wall.send('hello')}>
        Greet
      </button>
    </section>
  );
}

/** Another agent. */
function Gauge() {
  const [value, setValue] = useState<number>();
  const meter = useAgent<number>({ ...useRemote('meter').options, onStateUpdate: setValue });
  return (
    <section>
      <output id="value">{value}</output>
      <button type="button" onClick={() => meter.call('add', [2])}>
        Add
      </button>
    </section>
  );
}

const root = document.getElementById('root');
if (root !== null)
  createRoot(root).render(
    <main>
      <Board />
      <Talk />
      <Gauge />
    </main>,
  );
