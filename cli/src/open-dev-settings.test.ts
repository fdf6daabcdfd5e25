import { expect, it } from 'vitest';
import { appVars, WRITTEN } from './dev-files.ts';
import { appVarsFile } from './open-dev-settings.ts';

const PORTS = { app: 8788, broker: 8787, identityProvider: 8790 };
const PAGE = 'http://127.0.0.1:5173';
const MORE = { CALLBACK_KEY: 'key' };
const at = (text: string | undefined, origins: readonly string[] = []) =>
  appVarsFile(text, appVars(PORTS, origins), MORE);

const FIRST = at(undefined).text ?? '';

it('a first start writes the settings of the broker, and a key of callbacks', () => {
  for (const line of ['ISSUER=http://127.0.0.1:8787', 'TICKET_AUDIENCE=agents.local', 'CALLBACK_KEY=key'])
    expect(FIRST.split('\n')).toContain(line);
  expect(at(undefined).missing).toEqual([]);
});

it('origins of pages are for the app, too, and go with the start that names none', () => {
  const { text } = at(FIRST, [PAGE, 'https://app.test']);
  expect(text).toContain(`\nALLOWED_ORIGINS=${PAGE},https://app.test\n`);
  expect(at(text).text).toBe(FIRST);
});

it('a later start keeps the lines of the author, wherever they are below ours', () => {
  const own = '\n# mine\nMODEL_KEY="a=b"\n';
  const later = at(`${FIRST}${own}`, [PAGE]);
  expect(later.missing).toEqual([]);
  expect(later.text).toContain('# mine\nMODEL_KEY="a=b"\n');
  expect(at(later.text, [PAGE]).text).toBe(later.text);
});

it('a file of an earlier version keeps the lines of the author', () => {
  const earlier = [WRITTEN, 'ISSUER=http://127.0.0.1:1', 'AGENT_WORKER_URL=http://x', 'MODEL_KEY=k', ''].join(
    '\n',
  );
  const { text, missing } = at(earlier);
  expect(missing).toEqual([]);
  expect(text).toBe(`${FIRST}MODEL_KEY=k\n`);
});

it.each<[string, string, readonly string[], readonly string[]]>([
  ['has all of it', 'ISSUER="http://127.0.0.1:8787"\r\nTICKET_AUDIENCE=agents.local\r\n', [], []],
  [
    'has another issuer',
    'ISSUER=https://b.test\nTICKET_AUDIENCE=agents.local',
    [],
    ['ISSUER=http://127.0.0.1:8787'],
  ],
  [
    'sets an issuer twice',
    'ISSUER=http://127.0.0.1:8787\nISSUER=https://b.test\nTICKET_AUDIENCE=agents.local',
    [],
    ['ISSUER=http://127.0.0.1:8787'],
  ],
  [
    'allows other origins',
    `ISSUER=http://127.0.0.1:8787\nTICKET_AUDIENCE=agents.local\nALLOWED_ORIGINS=https://a.test`,
    [PAGE],
    [`ALLOWED_ORIGINS=${PAGE}`],
  ],
  [
    'allows more origins',
    `ISSUER=http://127.0.0.1:8787\nTICKET_AUDIENCE=agents.local\nALLOWED_ORIGINS=https://a.test, ${PAGE}`,
    [PAGE],
    [],
  ],
])('a file of the author that %s stays as it is', (_what, text, origins, missing) => {
  expect(at(text, origins)).toEqual({ text: undefined, missing });
});

it('what the author sets otherwise below ours is named, since it would win', () => {
  expect(at(`${FIRST}TICKET_AUDIENCE=other\n`).missing).toEqual(['TICKET_AUDIENCE=agents.local']);
});
