import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it } from 'vitest';
import * as z from 'zod';
import { post } from './broker.ts';
import { Browser } from './browser.ts';
import { nextFrame, openSocket } from './sockets.ts';
import { sessionsOf } from './stack-queries.ts';

const Minted = z.object({ url: z.string() });

it('a person signs in through the tenant, opens a socket by cookie, signs out, and the socket ends', async () => {
  const { broker } = inject('stack');
  const browser = new Browser();
  const end = await browser.follow(`${broker}/auth/login?login_hint=alice&return_to=/me`);
  expect(end).toBe(`${broker}/me`);
  const me = await (await browser.get(`${broker}/me`)).json();
  expect(me).toMatchObject({ method: 'auth0-session', email: 'alice@example.com' });

  const instance = 'signed-in';
  const headers = { cookie: browser.cookies(broker), origin: new URL(broker).origin };
  const answer = await post(`${broker}/tickets`, headers, { agent: 'counter', instance });
  expect(answer.status).toBe(201);
  const { socket, closed } = openSocket(Minted.parse(await answer.json()).url);
  await nextFrame(socket);
  // The broker finds live sessions in the record database, where they arrive a moment later.
  await eventually(async () => expect(await sessionsOf('counter', instance)).toHaveLength(1));

  const left = await browser.get(`${broker}/auth/logout`);
  expect(left.status).toBe(302);
  expect(await closed).toMatchObject({ code: 4003, reason: 'forbidden' });
  expect((await browser.get(`${broker}/me`)).status).toBe(401);
  expect((await post(`${broker}/tickets`, headers, { agent: 'counter', instance })).status).toBe(401);
});
