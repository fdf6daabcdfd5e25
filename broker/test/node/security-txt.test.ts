import { expect, it } from 'vitest';
import { BROKER, NOW, startNodeBroker } from './start-broker.ts';

const DAY_SECONDS = 86_400;
const get = async (settings: Readonly<Record<string, string>>) => {
  const { app } = await startNodeBroker(settings);
  return app.request(`${BROKER}/.well-known/security.txt`);
};

it.each(['mailto:security@people.test', 'https://people.test/report', 'tel:+49-1-23'])(
  'security.txt has the contact %s and an expiry within a year',
  async (contact) => {
    const answer = await get({ SECURITY_CONTACT: contact });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8']);
    const fields = Object.fromEntries(
      (await answer.text())
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/: (.*)/).slice(0, 2)),
    );
    expect(fields).toEqual({
      Contact: contact,
      Expires: expect.stringMatching(/^\d{4}-\d\d-\d\dT00:00:00\.000Z$/),
      Canonical: `${BROKER}/.well-known/security.txt`,
    });
    const days = (Date.parse(fields.Expires ?? '') / 1000 - NOW) / DAY_SECONDS;
    expect(days).toBeGreaterThan(29);
    expect(days).toBeLessThan(365);
  },
);

it('there is no security.txt without a contact', async () => {
  expect((await get({})).status).toBe(404);
});

it.each([
  'security@people.test',
  'http://people.test',
  'mailto:a b',
  'mailto:a\nExpires: 2099-01-01T00:00:00Z',
])('a contact %j refuses to start', async (contact) => {
  await expect(get({ SECURITY_CONTACT: contact })).rejects.toThrow('SECURITY_CONTACT');
});
