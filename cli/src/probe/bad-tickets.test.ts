import { base64url, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { BAD_TICKETS, type Good, partsOf } from './bad-tickets.ts';

const URL_OF_INSTANCE = 'wss://agents.example.com/agents/counter/main';

async function goodWith(claims: object): Promise<Good> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const sign = (more: object) =>
    new SignJWT({ ...claims, ...more })
      .setProtectedHeader({ alg: 'ES256', typ: 'agent-ticket+jwt', kid: 'k' })
      .sign(privateKey);
  return {
    ticket: await sign({ jti: 'one' }),
    httpTicket: await sign({ jti: 'two' }),
    ...{ url: URL_OF_INSTANCE, agent: 'counter', instance: 'main' },
    published: { ...(await exportJWK(publicKey)), alg: 'ES256' },
    stranger: await generateKeyPair('ES256', { extractable: true }),
  };
}

const OWNER = 'agent:connect agent:state:read agent:state:write agent:message agent:rpc:* agent:tool:*';

describe.each([
  ['a viewer', { role: 'viewer', scope: 'agent:connect agent:state:read' }],
  ['an admin', { role: 'admin', scope: 'agent:connect agent:rpc:*' }],
  ['an owner', { role: 'owner', scope: OWNER }],
  ['an owner who may connect and call', { role: 'owner', scope: 'agent:connect agent:rpc:*' }],
])('of the ticket of %s', (_whose, claims) => {
  it.each(BAD_TICKETS)('the bad ticket "$name" is another presentation', async ({ present }) => {
    const good = await goodWith(claims);
    const { url, protocols, headers } = await present(good);
    for (const ticket of [`?ticket=${good.ticket}`, ''])
      expect({ url, protocols, headers }).not.toEqual({
        url: `${URL_OF_INSTANCE}${ticket}`,
        protocols: ticket === '' ? ['agent-ticket.v1', good.ticket] : [],
        headers: undefined,
      });
  });

  it('what says that it changes a claim changes it', async () => {
    const good = await goodWith(claims);
    const payload = partsOf(good.ticket)[1];
    for (const name of ['other role', 'more scopes', 'longer life', 'other audience', 'other issuer']) {
      const bad = BAD_TICKETS.find((each) => each.name === name);
      const shown = (await bad?.present(good))?.protocols[1] ?? '';
      expect(partsOf(shown)[1], name).not.toBe(payload);
    }
  });
});

it('a ticket that would be presented as it is, is not presented', async () => {
  const good = await goodWith({ role: 'viewer', aud: 'https://probe.example' });
  const [head, , signature] = partsOf(good.ticket);
  // As the kit encodes it: a change to the same value has the same bytes.
  const payload = base64url.encode(
    JSON.stringify({ role: 'viewer', aud: 'https://probe.example', jti: 'one' }),
  );
  const same = { ...good, ticket: `${head}.${payload}.${signature}` };
  const bad = BAD_TICKETS.find(({ name }) => name === 'other audience');
  await expect(bad?.present(same)).rejects.toThrow('presents the good ticket as it is');
});
