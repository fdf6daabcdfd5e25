import { useAgentChat } from '@cloudflare/ai-chat/react';
import { useAgent } from 'agents/react';
import type { UIMessage } from 'ai';
import { type FormEvent, Suspense, useState } from 'react';
import { createRoot } from 'react-dom/client';
import type { Board } from './index';

const name = new URLSearchParams(location.search).get('name') ?? 'default';

function Message({ message, approve }: { message: UIMessage; approve: (id: string) => void }) {
  return (
    <li className={message.role}>
      {message.parts.map((part) => {
        if (part.type === 'text') return part.text;
        if (!('approval' in part) || part.state !== 'approval-requested') return null;
        const { id } = part.approval;
        return (
          <button type="button" key={id} onClick={() => approve(id)}>
            Approve
          </button>
        );
      })}
    </li>
  );
}

type Servers = Parameters<NonNullable<Parameters<typeof useAgent>[0]['onMcpUpdate']>>[0]['servers'];

/** The MCP servers of the assistant, and a field to add one. */
function Tools({ servers, add }: { servers: Servers; add: (url: string) => Promise<{ authUrl?: string }> }) {
  const [url, setUrl] = useState('');
  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    // In the click, or the browser would block it.
    const popup = window.open('about:blank', '_blank', 'popup');
    const { authUrl } = await add(url);
    if (popup === null) return;
    if (authUrl !== undefined && /^https?:/.test(authUrl)) popup.location.href = authUrl;
    else popup.close();
  };
  return (
    <form onSubmit={onSubmit}>
      <input aria-label="MCP server" value={url} onChange={({ target }) => setUrl(target.value)} />
      <ul id="tools">
        {Object.entries(servers).map(([id, { name, state }]) => (
          <li key={id}>
            {name}: {state}
          </li>
        ))}
      </ul>
    </form>
  );
}

function Assistant() {
  const [{ done }, setBoard] = useState<Board>({ done: [] });
  const [servers, setServers] = useState<Servers>({});
  const onMcpUpdate = (mcp: { servers: Servers }) => setServers(mcp.servers);
  const agent = useAgent<Board>({ agent: 'assistant', name, onStateUpdate: setBoard, onMcpUpdate });
  const { messages, sendMessage, addToolApprovalResponse } = useAgentChat({ agent });
  const [text, setText] = useState('');
  return (
    <main>
      <ul id="done">
        {done.map((what) => (
          <li key={what}>{what}</li>
        ))}
      </ul>
      <button type="button" onClick={() => agent.setState({ done: [...done, 'by hand'] })}>
        Add
      </button>
      <Tools servers={servers} add={(url) => agent.call('addTools', [url])} />
      <ol id="messages">
        {messages.map((message) => (
          <Message
            key={message.id}
            message={message}
            approve={(id) => addToolApprovalResponse({ id, approved: true })}
          />
        ))}
      </ol>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void sendMessage({ text });
          setText('');
        }}
      >
        <input aria-label="Message" value={text} onChange={({ target }) => setText(target.value)} />
      </form>
      <input
        aria-label="Picture"
        type="file"
        onChange={({ target }) => {
          if (target.files !== null) void sendMessage({ text: 'What is this?', files: target.files });
        }}
      />
    </main>
  );
}

const root = document.getElementById('root');
if (root !== null)
  createRoot(root).render(
    <Suspense fallback="…">
      <Assistant />
    </Suspense>,
  );
