import { runInDurableObject } from 'cloudflare:test';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { gate } from './gate.ts';
import { counter, receivedBy } from './objects.ts';
import { connect, type Socket } from './sockets.ts';
import { makeTicket, NOW, newInstance, rights } from './tickets.ts';

/** Frames that are not quite what they look like: none passes without its scope, none breaks the socket. */

const bytes = (text: string): ArrayBuffer => {
  const encoded = new TextEncoder().encode(text);
  const buffer = new ArrayBuffer(encoded.length);
  new Uint8Array(buffer).set(encoded);
  return buffer;
};
const RESET = '"type":"rpc","id":"odd","method":"reset","args":[]';
const STATE = '"type":"cf_agent_state","state":{"count":1000}';

const ODD: [what: string, frame: string | ArrayBuffer][] = [
  ['nothing', ''],
  ['a zero byte', '\u0000'],
  ['half of JSON', '{"type":"rpc","id":"odd"'],
  ['JSON behind a byte order mark', `\uFEFF{${RESET}}`],
  ['JSON behind white space', ` \n\t{${RESET}}`],
  ['null', 'null'],
  ['a number', '1'],
  ['a text in JSON', '"rpc"'],
  ['an empty list', '[]'],
  ['a list of calls', `[{${RESET}}]`],
  ['a call as bytes', bytes(`{${RESET}}`)],
  ['no bytes', new ArrayBuffer(0)],
  ['a call without a method', '{"type":"rpc"}'],
  ['a call of no method', '{"type":"rpc","id":"odd","method":"","args":[]}'],
  ['a call of every method', '{"type":"rpc","id":"odd","method":"*","args":[]}'],
  ['a call of a list', '{"type":"rpc","id":"odd","method":["reset"],"args":[]}'],
  ['a call of an object', '{"type":"rpc","id":"odd","method":{"toString":"reset"},"args":[]}'],
  ['a call of an inherited method', '{"type":"rpc","id":"odd","method":"__proto__","args":[]}'],
  ['a call of toString', '{"type":"rpc","id":"odd","method":"toString","args":[]}'],
  ['a call with a space behind its method', '{"type":"rpc","id":"odd","method":"whoami ","args":[]}'],
  ['a call of two scopes', '{"type":"rpc","id":"odd","method":"whoami agent:rpc:reset","args":[]}'],
  ['a call of a colon', '{"type":"rpc","id":"odd","method":"whoami:reset","args":[]}'],
  [
    'a call whose second method counts',
    '{"type":"rpc","id":"odd","method":"whoami","method":"reset","args":[]}',
  ],
  ['a call whose second type counts', '{"type":"hello","id":"odd","method":"reset","args":[],"type":"rpc"}'],
  ['a call with escaped member names', '{"\\u0074ype":"rpc","id":"odd","\\u006dethod":"reset","args":[]}'],
  ['a call below __proto__', `{"__proto__":{${RESET}}}`],
  ['a call with rights below __proto__', `{${RESET},"__proto__":{"scope":"agent:rpc:*"}}`],
  ['a type in capitals', '{"type":"RPC","id":"odd","method":"reset","args":[]}'],
  ['a call that is a list inside', '{"type":["rpc"],"id":"odd","method":"reset","args":[]}'],
  ['a call and a state frame', `{${RESET},${STATE}}`],
  ['state and then a call', `{${STATE},${RESET}}`],
  ['state', `{${STATE}}`],
  ['state without a state', '{"type":"cf_agent_state"}'],
  ['state below __proto__', `{"__proto__":{${STATE}}}`],
  ['a call with a very long method', `{"type":"rpc","id":"odd","method":"${'r'.repeat(10_000)}","args":[]}`],
  ['very deep JSON', `${'['.repeat(5_000)}${']'.repeat(5_000)}`],
  ['a renewal', '{"type":"ticket.renew","ticket":"x"}'],
  ['a request to resume', '{"type":"cf_agent_stream_resume_request"}'],
];

/** A second for each frame, so that none is one too many. */
let seconds = 0;
beforeEach(() => {
  seconds += 1;
  vi.setSystemTime((NOW + seconds) * 1000);
});

interface Place {
  readonly instance: string;
  readonly socket: Socket;
}

/** One viewer's socket for all frames: what breaks it breaks the rest. */
let viewer: Promise<Place> | undefined;
async function openViewer(): Promise<Place> {
  const instance = newInstance();
  const ticket = await makeTicket({ instance, ...rights('counter', 'owner') });
  const owner = await connect(`/agents/counter/${instance}`, { ticket });
  await owner.call('increment');
  const socket = await connect(`/agents/counter/${instance}`, { ticket: await makeTicket({ instance }) });
  return { instance, socket };
}

/** Every right but to send messages. */
let mute: Promise<Place> | undefined;
async function openMute(): Promise<Place> {
  const instance = newInstance();
  const scope = 'agent:connect agent:state:read agent:state:write agent:rpc:*';
  const ticket = await makeTicket({ instance, agent: 'witness', scope });
  return { instance, socket: await connect(`/agents/witness/${instance}`, { ticket, front: gate }) };
}

describe('an odd frame', () => {
  test.for(ODD)(
    'changes nothing for a viewer of the counter, and the socket goes on: %s',
    async ([, frame]) => {
      viewer ??= openViewer();
      const { instance, socket } = await viewer;
      socket.send(frame);
      expect(await socket.call('whoami')).toMatchObject({ success: true });
      expect(await runInDurableObject(counter(instance), (agent) => agent.state)).toEqual({ count: 1 });
      expect(socket.frames.filter(({ id, success }) => id === 'odd' && success === true)).toEqual([]);
    },
  );

  test.for([
    ...ODD.filter(([what]) => what !== 'a request to resume'),
    ['a call without an id', '{"type":"rpc","method":"echo","args":["x"]}'],
    ['a call without arguments', '{"type":"rpc","id":"odd","method":"echo","say":"x"}'],
    ['a call with a number for its id', '{"type":"rpc","id":1,"method":"echo","args":[]}'],
    ['a state frame with something else than a state', '{"type":"cf_agent_state","say":"x"}'],
  ] as typeof ODD)('is not delivered to an agent without the message scope: %s', async ([, frame]) => {
    mute ??= openMute();
    const { instance, socket } = await mute;
    const before = await receivedBy(instance);
    socket.send(frame);
    expect(await socket.call('echo', 1)).toMatchObject({ result: 1 });
    expect(await receivedBy(instance)).toEqual(before);
  });
});
