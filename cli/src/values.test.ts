import { describe, expect, it } from 'vitest';
import { terminalAt } from '../test/broker.ts';
import { allOf } from './command-tree.ts';
import { describeProgram, run } from './run.ts';

/** Invalid values of options and arguments, with the words that describe a valid one. */
const INVALID: Readonly<Record<string, readonly [values: readonly string[], said: string]>> = {
  '--folder <name>': [['a/b', '..'], 'the name of a folder'],
  '--port <port>': [['0', '65536', '1e2', 'x'], '1 to 65535'],
  '--broker-port <port>': [['0', '65536'], '1 to 65535'],
  '--identity-provider-port <port>': [['0', '65536'], '1 to 65535'],
  '--callback-port <port>': [['-1', '65536'], '65535'],
  '--origin <origin...>': [['app.example.com', 'https://app.example.com/'], 'an origin such as'],
  '--origin <origin>': [['app.example.com', 'https://app.example.com/a'], 'an origin such as'],
  '<shell>': [['csh'], 'Allowed choices are bash'],
  '--database <url>': [['postgres://x'], 'file:<path>'],
  '--name <text>': [['x'.repeat(129)], '1 to 128 characters'],
  '--save <profile>': [['a b', 'x'.repeat(65)], '1 to 64 letters'],
  '--profile <name>': [['a b', '../x'], '1 to 64 letters'],
  '--broker <address>': [['broker.example.com', 'http://broker.example.com'], 'https'],
  '--agents <address>': [['agents.example.com', 'https://agents.example.com/'], 'https://'],
  '--issuer <address>': [['tenant.example.com'], 'an https address'],
  '--issuer-url <address>': [['localhost'], 'an https address'],
  '--env <name>': [['Prod', 'x'.repeat(21)], '1 to 20 small letters'],
  '--agent <slug>': [['Chat', 'x'.repeat(65)], 'at most 64 characters'],
  '--agent <agent>': [['Chat', 'x'.repeat(65)], 'at most 64 characters'],
  '<agent>': [['Chat', 'a--b', 'x'.repeat(65)], 'at most 64 characters'],
  '--agents <names>': [['Chat', ','], 'a list of 1 to 64'],
  '--instance <name>': [['a b', 'sub.x', 'x'.repeat(129)], '1 to 128 letters'],
  '--instance <instance>': [['a b', 'x'.repeat(129)], '1 to 128 letters'],
  '<instance>': [['a b', 'x'.repeat(129)], '1 to 128 letters'],
  '[instance]': [['a b', 'x'.repeat(129)], '1 to 128 letters'],
  '<name>': [['x'.repeat(129)], '1 to '],
  '--scope <scope>': [['x'.repeat(1025)], 'at most 1024 characters'],
  '--scope <scopes>': [['x'.repeat(1025)], 'at most 1024 characters'],
  '--expires-in <duration>': [['1x', '0', '-1', '999999999d'], 'a duration'],
  '--grace-in <duration>': [['31d'], 'a duration of 0 to 2592000 seconds'],
  '--principal <principal>': [['ann@example.com', `token:${'x'.repeat(501)}`], 'the id of a principal'],
  '<principal>': [['ann@example.com'], 'the id of a principal'],
  '--permissions <names>': [['x'.repeat(129), 'a,'.repeat(65)], 'a list of at most 64'],
  '--issuer <issuer>': [['x'.repeat(257)], '1 to 256 characters'],
  '--email <email>': [['ann', `${'x'.repeat(320)}@example.com`], 'an e-mail address'],
  '--groups <names>': [['x'.repeat(129)], 'a list of at most 200'],
  '--reason <reason>': [['x'.repeat(501)], '1 to 500 characters without control characters'],
  '--label <label>': [['x'.repeat(321)], '1 to 320 characters'],
  '--person <label or id>': [['x'.repeat(321), `auth0:${'x'.repeat(501)}`], 'It must be '],
  '--limit <rows>': [['0', '-1', '1.5', '1e2', 'x'], 'a whole number from 1 on'],
  '--service-token <token>': [['x', 'svc_1'], 'svc_ and 22 letters and digits'],
  '--ip-address <address>': [['10.0.0.256', 'localhost'], 'an IPv4 address or an IPv6 address'],
  '--at <time>': [['yesterday', '14:05'], '15m for 15 minutes ago'],
  '--from <time>': [['2026-11-29'], '15m for 15 minutes ago'],
  '--to <time>': [['2026-13-01T00:00:00Z'], '15m for 15 minutes ago'],
  '<id>': [['x'], 'It must be a'],
  '[id]': [['x'], 'It must be a UUID'],
  '--type <type>': [['ticket.eaten'], 'one of ticket.issued, '],
  '--code <code>': [['Grant Missing', 'x'.repeat(65)], 'the code of a refusal'],
  '--jti <jti>': [['x'], 'a UUID'],
  '--session-id <id>': [['x'], 'a UUID'],
  '--request-id <id>': [['x'], 'a UUID'],
  '<request id>': [['x'], 'a UUID'],
  '--types <names>': [['x', ','], 'a list of 1 to '],
  '--audience <audience>': [['x'.repeat(513)], '1 to 512 characters'],
  '<url>': [['x'.repeat(1025)], '1 to 1024 characters'],
  '--after <number>': [['-1', '1e2', '9'.repeat(16)], 'the number of an event'],
  '--every <seconds>': [['0', '10000', '1.5'], '1 to 9999'],
  '<kid>': [['x'], 'the thumbprint of a key'],
  '--subject <subject>': [['ann@example.com'], 'the id of a principal, email:<address>'],
  '<subject>': [['ann@example.com'], 'the id of a principal, email:<address>'],
  '<target>': [['chat', 'agent:', 'session:x'], 'It must be everything, agent:<slug>'],
  ...Object.fromEntries(
    [
      ...['--active <which>', '--transport <transport>', '--kind <kind>', '--tier <tier>', '<role>'],
      ...['--outcome <outcome>', '--step <step>', '--purpose <purpose>', '--activate <activate>'],
      ...['--alg <alg>', '--group <groups...>'],
    ].map((flag) => [flag, [['x'], 'Allowed choices are']]),
  ),
};

/** Any text that is not empty: paths of files, and names that somebody else gives. */
const ANY_TEXT = [
  ...['--d1 <config>', '--secrets-file <file>', '--agent-config <file>', '--config <file>', '--file <file>'],
  ...['--anchor <file>', '<export>', '--keys <file or URL>', '--account <id>', '--client-id <id>'],
  ...['--audience <api>', '--authorization-from <variable>'],
];

const VALID: Readonly<Record<string, string>> = {
  ...{
    '<agent>': 'chat',
    '<instance>': 'a',
    '[instance]': 'a',
    '<role>': 'viewer',
    '<target>': 'everything',
  },
  ...{
    '<subject>': 'email:ann@example.com',
    '--reason <reason>': 'x',
    '<kid>': 'k'.repeat(43),
    '<name>': 'x',
  },
  ...{ '--keys <file or URL>': 'x', '<shell>': 'bash', '--limit <rows>': '1', '--at <time>': '1h' },
  ...{ '--person <label or id>': 'ann@example.com', '--port <port>': '1', '--after <number>': '1' },
};

const COMMANDS = allOf(describeProgram()).filter(
  ({ words, children }) => words !== '' && children.length === 0,
);
const OPTIONS = COMMANDS.flatMap((command) =>
  command.options.filter(({ takesValue }) => takesValue).map((option) => ({ command, ...option })),
);
const PLACES = COMMANDS.flatMap((command) =>
  command.places.map((place, index) => ({ command, ...place, index })),
);
type Command = (typeof COMMANDS)[number];

/** The words of a command with one value in its place, and the other words that it needs. */
const withOption = ({ words, places, options }: Command, long: string, values: readonly string[]) => [
  ...words.split(' '),
  ...places.filter(({ flag }) => flag.startsWith('<')).map(({ flag }) => VALID[flag] ?? 'x'),
  ...options
    .filter((each) => each.isRequired && each.long !== long)
    .flatMap((each) => [each.long, VALID[each.flag] ?? 'x']),
  ...values.map((value) => `${long}=${value}`),
];
const withPlace = ({ words, places, options }: Command, index: number, value: string) => [
  ...words.split(' '),
  ...options.filter((each) => each.isRequired).flatMap((each) => [each.long, VALID[each.flag] ?? 'x']),
  '--',
  ...places.slice(0, index).map(({ flag }) => VALID[flag] ?? 'x'),
  value,
  ...places
    .slice(index + 1)
    .filter(({ flag }) => flag.startsWith('<'))
    .map(({ flag }) => VALID[flag] ?? 'x'),
];

/** The refusal of a command line, which makes no request and opens no file. */
async function refusalOf(words: readonly string[]): Promise<string> {
  const { terminal, said, asked } = terminalAt(() => Response.json({}));
  expect([await run(words, terminal), said.out, asked]).toEqual([2, '', []]);
  return said.err;
}

const EMPTY = ['', ' ', '\t'];
const CONTROL = 'a\u001b[2Jb';

describe('a value that no command takes is refused with the option or argument as it is typed, what it must be, and exit code 2:', () => {
  it.each(OPTIONS.map((each) => [`${each.command.words} ${each.flag}`, each] as const))(
    '%s',
    async (_words, { command, flag, long }) => {
      const refusal = (...values: string[]) => refusalOf(withOption(command, long, values));
      for (const value of EMPTY) {
        expect(await refusal(value)).toMatch(/is empty\. (It must be|Leave it out|Allowed)/);
        expect(await refusal(value)).toContain(`option '${flag}'`);
      }
      const control = await refusal(CONTROL);
      expect(control).toContain(`option '${flag}' has a control character (U+001B).`);
      expect(control).not.toContain('\u001b');
      const [invalid, said] = INVALID[flag] ?? [[], ''];
      for (const value of invalid) {
        const text = await refusal(value);
        expect(text).toContain(said);
        expect(text).toContain(long);
      }
    },
  );

  it.each(PLACES.map((each) => [`${each.command.words} ${each.flag}`, each] as const))(
    '%s',
    async (_words, { command, flag, index }) => {
      const refusal = (value: string) => refusalOf(withPlace(command, index, value));
      const named = `argument '${flag.slice(1, -1)}'`;
      for (const value of EMPTY) expect(await refusal(value)).toContain(`${named} is empty. `);
      expect(await refusal(CONTROL)).toContain(`${named} has a control character (U+001B).`);
      const [invalid, said] = INVALID[flag] ?? [[], ''];
      for (const value of invalid) {
        const text = await refusal(value);
        expect(text).toContain(said);
        expect(text).toContain(named);
      }
    },
  );

  it('each option and argument is in the table, or takes any text', () => {
    const known = [...Object.keys(INVALID), ...ANY_TEXT];
    const flags = new Set([...OPTIONS, ...PLACES].map(({ flag }) => flag));
    expect([...flags].filter((flag) => !known.includes(flag))).toEqual([]);
    expect(known.filter((flag) => !flags.has(flag))).toEqual([]);
  });
});

it.each(
  OPTIONS.filter(({ flag }) => VALID[flag] !== undefined).map(
    (each) => [`${each.command.words} ${each.flag}`, each] as const,
  ),
)(
  '%s given twice is refused: nobody knows which of the two was meant',
  async (_words, { command, flag, long }) => {
    const value = VALID[flag] ?? '';
    expect(await refusalOf(withOption(command, long, [value, value]))).toContain(
      `option '${flag}' came twice`,
    );
  },
);

it.each(COMMANDS.map((command) => [command.words, command] as const))(
  '%s refuses an option that it does not have',
  async (_words, command) => {
    expect(await refusalOf(withOption(command, '--pincipal', ['x']))).toContain(
      "unknown option '--pincipal=x'",
    );
  },
);

it('a program gets the same words as JSON', async () => {
  const refusal = await refusalOf(['sessions', 'list', '--person', '', '--json']);
  expect(JSON.parse(refusal)).toEqual({
    error:
      "option '--person <label or id>' is empty. It must be a text of 1 to 320 characters without control characters.",
    code: 'USAGE',
  });
});

it('a long value is not repeated whole', async () => {
  expect(await refusalOf(['keys', 'rotate', '--reason', 'x'.repeat(10_000)])).toMatch(
    /^error: option '--reason <reason>' cannot be "x{40,60}…"\. It must be a text of 1 to 500 characters/,
  );
});
