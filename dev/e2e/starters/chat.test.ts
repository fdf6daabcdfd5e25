import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { watchToClose } from '../sockets.ts';
import { type App, type Apps, ask, connect, startBoth } from './apps.ts';
import { changedLines } from './install.ts';

/**
 * A chat app after the public starter of the Agents SDK, without tickets and with them: whatever works without works with.
 * The packages are installed by npm, as they are published.
 */

const AGENT = 'assistant';
let apps: Apps;
beforeAll(async () => {
  apps = await startBoth('chat', [AGENT]);
}, 600_000);
afterAll(async () => {
  await Promise.all([apps?.plain.close(), apps?.guarded.close()]);
});

interface Board {
  readonly done: readonly string[];
}
interface Message {
  readonly id: string;
  readonly role: string;
  readonly parts: readonly object[];
}

const said = (text: string, ...more: readonly object[]): Message => ({
  id: crypto.randomUUID(),
  role: 'user',
  parts: [{ type: 'text', text }, ...more],
});

/** One client of a chat, with the frames of its answers. */
async function chatOf(app: App, name: string) {
  const { client, frames } = await connect<Board>(app, AGENT, name);
  const chunks = () =>
    frames.flatMap(({ type, body }) =>
      type === 'cf_agent_use_chat_response' && typeof body === 'string' && body !== ''
        ? [z.looseObject({ type: z.string() }).parse(JSON.parse(body))]
        : [],
    );
  return {
    client,
    frames,
    chunks,
    text: () =>
      chunks()
        .flatMap(({ type, delta }) => (type === 'text-delta' ? [String(delta)] : []))
        .join(''),
    ask: (...messages: readonly Message[]) =>
      client.send(
        JSON.stringify({
          type: 'cf_agent_use_chat_request',
          id: crypto.randomUUID(),
          init: {
            method: 'POST',
            body: JSON.stringify({ messages, trigger: 'submit-message' }),
          },
        }),
      ),
  };
}

describe.each(['plain', 'guarded'] as const)('the %s app', (kind) => {
  const app = (): App => apps[kind];

  it('answers word by word', async () => {
    const chat = await chatOf(app(), 'words');
    chat.ask(said('hello there'));
    await eventually(() => expect(chat.text()).toBe('You said: hello there'));
    expect(chat.chunks().filter(({ type }) => type === 'text-delta').length).toBeGreaterThan(3);
  });

  it('resumes an answer in a socket that opens meanwhile', async () => {
    const first = await chatOf(app(), 'resumed');
    first.ask(said('count'));
    await eventually(() => expect(first.text()).toContain('n2'));
    const second = await chatOf(app(), 'resumed');
    second.client.send(JSON.stringify({ type: 'cf_agent_stream_resume_request' }));
    await eventually(() => {
      const resuming = second.frames.find(({ type }) => type === 'cf_agent_stream_resuming');
      expect(resuming).toBeDefined();
      second.client.send(JSON.stringify({ type: 'cf_agent_stream_resume_ack', id: resuming?.id }));
    });
    await eventually(() => expect(second.text()).toMatch(/^n0 n1 .*n29$/));
  });

  it('runs a tool by itself, and another one after an approval', async () => {
    const chat = await chatOf(app(), 'tools');
    chat.ask(said('roll'));
    await eventually(() => expect(chat.text()).toContain('"value":6'));
    chat.ask(said('book'));
    const asked = () => chat.chunks().find(({ type }) => type === 'tool-approval-request');
    await eventually(() => expect(asked()).toBeDefined());
    expect(chat.text()).not.toContain('booked');
    const approval = { toolCallId: asked()?.toolCallId, approved: true, autoContinue: true };
    chat.client.send(JSON.stringify({ type: 'cf_agent_tool_approval', ...approval }));
    await eventually(async () => {
      const history = await ask(app(), `/agents/${AGENT}/tools/get-messages`);
      expect(await history.text()).toContain('booked blue');
    });
  });

  it('synchronizes its state between two clients', async () => {
    const [one, other] = [await chatOf(app(), 'state'), await chatOf(app(), 'state')];
    one.client.setState({ done: ['by hand'] });
    await eventually(() => expect(other.client.state).toEqual({ done: ['by hand'] }));
  });

  it('runs what is scheduled and what is queued, with nobody as the caller', async () => {
    const { client } = await chatOf(app(), 'later');
    await client.call('later', [1, 'tea']);
    await client.call('inTurn', ['letters']);
    await eventually(() =>
      expect(client.state?.done.toSorted()).toEqual(['queued: letters', 'scheduled: tea']),
    );
  });

  it('gets mail', async () => {
    const { client } = await chatOf(app(), 'desk');
    const answer = await fetch(`${app().url}/contact?from=ann@example.com`, {
      method: 'POST',
      body: 'Hello',
    });
    expect(answer.status).toBe(204);
    await eventually(() => expect(client.state?.done).toEqual(['mail from ann@example.com']));
  });

  it('lets a sub-agent work', async () => {
    const { client } = await chatOf(app(), 'delegated');
    expect([await client.call('delegate'), await client.call('delegate')]).toEqual([1, 2]);
  });

  it('takes a picture of a mebibyte in a message, and in a message after it', async () => {
    const chat = await chatOf(app(), 'picture');
    const url = `data:image/png;base64,${Buffer.alloc(1024 * 1024, 7).toString('base64')}`;
    const picture = said('What is this?', { type: 'file', mediaType: 'image/png', url });
    chat.ask(picture);
    await eventually(() => expect(chat.text()).toBe('I see 1 picture.'));
    // The stock hook sends the transcript with each question.
    chat.ask(picture, said('again'));
    await eventually(() => expect(chat.text()).toContain('You said: again'));
  });

  it('takes an upload', async () => {
    const body = new Uint8Array(1024 * 1024 + 1);
    const answer = await ask(app(), `/agents/${AGENT}/uploads/upload`, { method: 'POST', body });
    expect(await answer.json()).toEqual({ bytes: body.length });
  });

  it('is reached by its own worker', async () => {
    const { client } = await chatOf(app(), 'summed');
    await client.call('inTurn', ['letters']);
    await eventually(async () => {
      const answer = await fetch(`${app().url}/summary?of=summed`);
      expect(await answer.json()).toEqual({ messages: 0, done: ['queued: letters'] });
    });
  });
});

describe('the guarded app', () => {
  it('is protected by ten lines at most', async () => {
    expect(await changedLines('chat')).toBeLessThanOrEqual(10);
  });

  it('refuses who has no ticket', async () => {
    const url = new URL(`/agents/${AGENT}/words`, apps.guarded.url);
    expect((await fetch(`${url}/get-messages`)).status).toBe(401);
    url.protocol = 'ws:';
    expect(await watchToClose(url.href)).toMatchObject({ frames: [], code: 4001, reason: 'unauthorized' });
  });
});
