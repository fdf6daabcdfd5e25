import { readFile } from 'node:fs/promises';
import { NoOperationTraceWriter, parseWorkflow } from '@actions/workflow-parser';
import { allOf } from 'agent-ticket/src/command-tree.ts';
import { describeProgram } from 'agent-ticket/src/run.ts';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { ROOT } from '../quiet-environment.ts';

/** The recipes of docs/deploy/ci.md without a change: no test runs them. */

const page = await readFile(`${ROOT}docs/deploy/ci.md`, 'utf8');
const blocks = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text);
const [github = '', gitlab = ''] = blocks;

const Step = z.looseObject({ run: z.string().optional(), uses: z.string().optional() });
const Workflow = z.looseObject({
  permissions: z.record(z.string(), z.string()),
  jobs: z.record(z.string(), z.looseObject({ environment: z.string(), steps: z.array(Step) })),
});
const Job = z.looseObject({ stage: z.string(), environment: z.string(), script: z.array(z.string()) });

const jobsOfGitlab = () => {
  const { stages, default: shared, ...jobs } = z.record(z.string(), z.unknown()).parse(parse(gitlab));
  return {
    stages: z.array(z.string()).parse(stages),
    before: z.looseObject({ before_script: z.array(z.string()) }).parse(shared).before_script,
    jobs: z.record(z.string(), Job).parse(jobs),
  };
};
const commands = (): string[] => {
  const { before, jobs } = jobsOfGitlab();
  const steps = Object.values(Workflow.parse(parse(github)).jobs).flatMap((job) => job.steps);
  return [
    ...steps.flatMap(({ run }) => run ?? []),
    ...before,
    ...Object.values(jobs).flatMap(({ script }) => script),
  ];
};

/** The reason why a line is no command of npm or of ours; undefined: it is one. */
function faultOf(line: string): string | undefined {
  if (/^npm ci( --prefix broker)?$/.test(line)) return undefined;
  const [npx, program, ...words] = line.split(' ');
  if (npx !== 'npx' || program !== 'agent-ticket') return 'another program';
  const command = allOf(describeProgram()).find((each) => each.words === words[0]);
  if (command === undefined) return 'no such command';
  const options = words.filter((word) => word.startsWith('--'));
  return options.find((option) => !command.options.some(({ long }) => long === option));
}

it('the page has one recipe for each of two kinds of CI', () => {
  expect(blocks).toHaveLength(2);
});

describe('the recipe for GitHub Actions', () => {
  it('is a workflow by the schema of GitHub', () => {
    const faultsOf = (content: string) =>
      parseWorkflow({ name: 'deploy.yml', content }, new NoOperationTraceWriter()).context.errors.getErrors();
    expect(faultsOf(github)).toEqual([]);
    expect(faultsOf(github.replace('runs-on:', 'runs-at:'))).not.toEqual([]);
  });

  it('may read the repository and nothing else, and keeps no credential of it', () => {
    const { permissions, jobs } = Workflow.parse(parse(github));
    expect(permissions).toEqual({ contents: 'read' });
    for (const { steps } of Object.values(jobs))
      expect(steps.find(({ uses }) => uses?.startsWith('actions/checkout'))).toMatchObject({
        with: { 'persist-credentials': false },
      });
  });

  it('deploys production after staging, each in its environment', () => {
    const { jobs } = Workflow.parse(parse(github));
    expect(Object.entries(jobs).map(([name, { environment }]) => [name, environment])).toEqual([
      ['staging', 'staging'],
      ['production', 'production'],
    ]);
    expect(jobs.production?.needs).toBe('staging');
  });
});

it('the recipe for GitLab has a stage for each job, and a person starts production', () => {
  const { stages, jobs } = jobsOfGitlab();
  expect(Object.values(jobs).map(({ stage }) => stage)).toEqual(stages);
  expect(jobs.production?.rules).toEqual([expect.objectContaining({ when: 'manual' })]);
});

it('each command of the recipes exists with its options', () => {
  expect(commands().length).toBeGreaterThan(8);
  expect(commands().flatMap((line) => (faultOf(line) === undefined ? [] : [line, faultOf(line)]))).toEqual(
    [],
  );
  expect(faultOf('npx agent-ticket deploy --enviroment staging')).toBe('--enviroment');
  expect(faultOf('npx agent-ticket deplyo')).toBe('no such command');
});

it('the template of one worker describes each setting and secret to the person who deploys it', async () => {
  const text = (name: string) => readFile(`${ROOT}templates/one-worker/${name}`, 'utf8');
  const vars = /"vars": \{(.*?)\}/s.exec(await text('wrangler.jsonc'))?.[1] ?? '';
  const secrets = await text('.dev.vars.example');
  const asked = [...vars.matchAll(/"(\w+)":/g), ...secrets.matchAll(/^(\w+)=/gm)].map(([, name]) => name);
  const { cloudflare } = z
    .looseObject({ cloudflare: z.object({ bindings: z.record(z.string(), z.unknown()) }) })
    .parse(JSON.parse(await text('package.json')));
  expect(Object.keys(cloudflare.bindings).sort()).toEqual(asked.sort());
});
