import { useState } from 'react';
import type { Delivery } from '../../src/agents/integrations/state.ts';
import { clockTime } from '../dom.ts';

interface WebhookProps {
  readonly deliveries: readonly Delivery[];
  readonly makeUrl: () => Promise<string>;
}

const BODY = JSON.stringify({ hello: 'from this page' });
const HEADERS = { 'content-type': 'application/json' };

const commandFor = (url: string): string =>
  `curl -X POST '${url}' -H 'content-type: application/json' -d '{"hello":"from curl"}'`;

/** The URL of a webhook, buttons to try it, and the deliveries. */
export function Webhook({ deliveries, makeUrl }: WebhookProps) {
  const [url, setUrl] = useState<string>();
  const [said, setSaid] = useState('');

  const attempt = (work: () => Promise<string>): void => {
    work().then(setSaid, (error: unknown) => setSaid(error instanceof Error ? error.message : String(error)));
  };
  const make = async (): Promise<string> => {
    setUrl(await makeUrl());
    return 'The URL is ready. Each press makes another one.';
  };
  const copy = async (): Promise<string> => {
    try {
      await navigator.clipboard.writeText(url ?? '');
      return 'Copied.';
    } catch (error) {
      // The browser refuses access, or offers no clipboard to a page without TLS.
      if (!(error instanceof DOMException || error instanceof TypeError)) throw error;
      return 'This browser does not let the page copy. Select the URL in the command above, and copy it.';
    }
  };
  const send = async (): Promise<string> => {
    // As a stranger would: without cookies, and with nothing but the URL.
    const init = { method: 'POST', headers: HEADERS, body: BODY, credentials: 'omit' } as const;
    const { status } = await fetch(url ?? '', init);
    return status === 204 ? 'Sent: the answer was 204.' : `The answer was ${status}.`;
  };

  return (
    <section aria-labelledby="webhook-title">
      <h2 id="webhook-title">2. Get a webhook</h2>
      <p className="note">
        Until tomorrow, anybody who has the URL can send to this list, and do nothing else.
      </p>
      {url === undefined ? null : <pre>{commandFor(url)}</pre>}
      <div className="actions">
        <button type="button" onClick={() => attempt(make)}>
          Make a URL
        </button>
        {url === undefined ? null : (
          <>
            <button type="button" className="plain" onClick={() => attempt(copy)}>
              Copy the URL
            </button>
            <button type="button" className="plain" onClick={() => attempt(send)}>
              Send one from here
            </button>
          </>
        )}
      </div>
      <p role="status">{said}</p>
      <ul className="rows" aria-label="Webhooks that came, newest first" aria-live="polite">
        {deliveries.map(({ id, at, type, text }) => (
          <li key={id}>
            <div>
              <b>{clockTime(at)}</b>
              <span>
                <bdi>{type === '' ? 'no media type' : type}</bdi>
              </span>
              <code>
                <bdi>{text}</bdi>
              </code>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
