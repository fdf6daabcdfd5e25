import { describe, expect, it } from 'vitest';
import { commandFaults, scriptCalls } from './commands.ts';

const manifests = [
  { path: 'package.json', text: '{"name":"root","scripts":{"start":"x","check":"x"}}' },
  { path: 'broker/package.json', text: '{"name":"@a/broker","scripts":{"start:node":"x"}}' },
];
const faults = (line: string, language = 'sh') =>
  commandFaults([...manifests, { path: 'README.md', text: `\`\`\`${language}\n${line}\n\`\`\`\n` }]);

describe('a command in a shell block', () => {
  it.each([
    'npm ci && npm start',
    '$ npm run check -- direction',
    'CI=true npm run -s check',
    'npm run start:node -w broker',
    'npm run start:node --workspace=@a/broker',
    'npm -w broker run start:node',
    '# npm run gone',
    'npx agent-ticket probe',
  ])('%s exists', (line) => {
    expect(faults(line)).toEqual([]);
  });

  it.each([
    'npm run gone',
    'npm ci && npm run gone',
    'npm test',
    'npm run start:node',
    'npm run check -w broker',
    'npm run check -w nowhere',
    'npm run constructor',
  ])('%s does not exist', (line) => {
    expect(faults(line)).toMatchObject([{ file: 'README.md', line: 2 }]);
  });
});

it('only shell blocks are read', () => {
  expect(faults('npm run gone', 'ts')).toEqual([]);
});

it('what stands after -- is for the script', () => {
  expect(scriptCalls('npm run check -- -w broker')).toEqual([{ script: 'check', workspace: '' }]);
});
