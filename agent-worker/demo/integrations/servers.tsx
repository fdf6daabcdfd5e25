import type { useAgent } from 'agents/react';
import { type FormEvent, useRef, useState } from 'react';
import { faultText } from './fault-text.ts';
import { webAddress } from './web-address.ts';

export type McpState = Parameters<NonNullable<Parameters<typeof useAgent>[0]['onMcpUpdate']>>[0];
type Server = McpState['servers'][string];

export const NO_SERVERS: McpState = { servers: {}, tools: [], prompts: [], resources: [] };

interface ServersProps {
  readonly mcp: McpState;
  /** Address of a server that the stack has for trying. */
  readonly example: string | undefined;
  readonly add: (address: string) => Promise<{ readonly authUrl?: string }>;
  readonly remove: (id: string) => Promise<unknown>;
}

/** Adds MCP servers, and leads through the sign-in of those that ask for one. */
export function Servers({ mcp, example = '', add, remove }: ServersProps) {
  const [address, setAddress] = useState(example);
  const [fault, setFault] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const entries = Object.entries(mcp.servers);

  async function begin(to: string): Promise<void> {
    // Before anything is awaited: a browser blocks a window that opens later than the click.
    const popup = window.open('', '_blank', 'popup,width=520,height=680');
    // The page of the sign-in gets no way back to this one.
    if (popup !== null) {
      popup.opener = null;
      popup.document.body.textContent = 'Asking the server for its sign-in…';
    }
    setFault(undefined);
    setBusy(true);
    try {
      const { authUrl } = await add(to);
      const next = webAddress(authUrl);
      if (authUrl !== undefined && next === undefined)
        setFault('The sign-in of this server is not a web page, so it was not opened.');
      if (next === undefined) popup?.close();
      else if (popup !== null) popup.location.href = next;
    } catch (error) {
      popup?.close();
      showFault(error);
    } finally {
      setBusy(false);
    }
  }
  const showFault = (error: unknown): void => setFault(faultText(error));

  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    void begin(address.trim());
  };

  return (
    <section aria-labelledby="servers-title">
      <h2 id="servers-title">1. Add an MCP server</h2>
      <p className="note">
        A server that asks for a sign-in sends you to its own page, and back to the address of this list
        alone. Only the browser that began the sign-in can finish it.
      </p>
      <form className="stack" onSubmit={onSubmit} aria-busy={isBusy}>
        <div className="field">
          <label htmlFor="server">Address of the server</label>
          <input
            id="server"
            ref={field}
            required
            maxLength={2000}
            spellCheck={false}
            autoComplete="off"
            autoCapitalize="none"
            inputMode="url"
            value={address}
            onChange={({ target }) => setAddress(target.value)}
          />
        </div>
        <button type="submit" disabled={isBusy}>
          {isBusy ? 'Asking the server…' : 'Add'}
        </button>
      </form>
      <p className="fault" role="alert" hidden={fault === undefined}>
        <bdi>{fault}</bdi>
      </p>
      <ul className="rows" aria-label="MCP servers" aria-live="polite">
        {entries.map(([id, server]) => (
          <li key={id} data-state={server.state}>
            <div>
              <b>
                <bdi>{server.name}</bdi>
              </b>
              <span>
                <bdi>{server.server_url}</bdi>
              </span>
              <span className="state">
                <State server={server} tools={mcp.tools.filter(({ serverId }) => serverId === id).length} />
              </span>
            </div>
            <div className="actions">
              <SignInAction server={server} begin={() => begin(server.server_url)} />
              <button
                type="button"
                className="plain"
                aria-label={`Remove ${server.name}`}
                onClick={() => {
                  remove(id).catch(showFault);
                  // The pressed button disappears; keyboard users continue from here.
                  field.current?.focus();
                }}
              >
                Remove
              </button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface SignInActionProps {
  readonly server: Server;
  readonly begin: () => Promise<void>;
}

/**
 * The next step after a closed or blocked popup. A sign-in of another browser has no address here, and starts again.
 */
function SignInAction({ server, begin }: SignInActionProps) {
  if (server.state !== 'authenticating') return null;
  const href = webAddress(server.auth_url);
  if (href !== undefined)
    return (
      <a className="button" href={href} target="_blank" rel="noopener noreferrer">
        Sign in there
      </a>
    );
  return (
    <button type="button" onClick={() => void begin()}>
      Sign in from here
    </button>
  );
}

/** The state of a server. The server or its sign-in wrote the text of an error. */
function State({ server: { state, error }, tools }: { readonly server: Server; readonly tools: number }) {
  switch (state) {
    case 'ready':
      return `Connected, with ${tools} ${tools === 1 ? 'tool' : 'tools'}.`;
    case 'authenticating':
      return 'Waits for your sign-in.';
    case 'failed':
      return (
        <>
          Failed: <bdi>{error ? faultText(error) : 'no reason given'}</bdi>. Remove it to try again.
        </>
      );
    default:
      return 'Connecting…';
  }
}
