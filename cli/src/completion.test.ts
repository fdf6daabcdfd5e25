import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { completionScript, SHELLS } from './completion.ts';
import { describeProgram } from './run.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-ticket-completion-'));
  for (const shell of SHELLS)
    await writeFile(join(folder, shell), completionScript(shell, describeProgram()));
  return () => rm(folder, { recursive: true });
});

const isInstalled = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0;

/** What is offered for the last of the words, which may be empty. */
const ASK = {
  bash: (words: readonly string[]) =>
    `. ${folder}/bash; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _agent_ticket; printf '%s\\n' "\${COMPREPLY[@]}"`,
  fish: (words: readonly string[]) => `source ${folder}/fish; complete -C '${words.join(' ')}'`,
  // Without a line editor: what would be shown is printed.
  zsh: (words: readonly string[]) =>
    `compdef() {}; _files() {}; _describe() { print -l -- "\${found[@]}" }; . ${folder}/zsh; words=(${words.map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length}; _agent_ticket`,
};

describe.each(['bash', 'fish', 'zsh'] as const)('%s', (shell) => {
  const offered = (words: readonly string[]): string[] =>
    execFileSync(shell, ['-c', ASK[shell](words)], { encoding: 'utf8' })
      .split('\n')
      .map((line) => line.split(/[\t:]/)[0] ?? '')
      .filter((word) => word !== '' && word.startsWith(words.at(-1) ?? ''));

  it.skipIf(!isInstalled(shell)).each([
    [['agent-ticket', 'ke'], ['keys']],
    [
      ['agent-ticket', 'keys', 're'],
      ['reseal', 'revoke'],
    ],
    [['agent-ticket', 'sessions', 'end', 'some-id', '--re'], ['--reason']],
    [['agent-ticket', 'service-tokens', 'create', 'keys', '--ti'], ['--tier']],
    [['agent-ticket', 'nothing', '--ti'], []],
    [
      ['agent-ticket', 'keys', 'rotate', '--activate', ''],
      ['now', 'scheduled'],
    ],
    [
      ['agent-ticket', 'keys', 'rotate', '--alg', 'E'],
      ['ES256', 'Ed25519'],
    ],
    [['agent-ticket', 'keys', 'rotate', '--reason', 'ke'], []],
  ])('after %j offers %j', (words, expected) => {
    expect(offered(words).toSorted()).toEqual(expected);
  });
});

it('the script for PowerShell has every command and closes its brackets', () => {
  const script = completionScript('powershell', describeProgram());
  expect(script).toContain("'keys rotate' = @('--");
  for (const [open, close] of [
    ['{', '}'],
    ['(', ')'],
  ] as const)
    expect(script.split(open)).toHaveLength(script.split(close).length);
});
