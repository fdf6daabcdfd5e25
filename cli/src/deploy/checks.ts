import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import * as z from 'zod';
import { accessOf, authorization } from '../api/access.ts';
import { type Terminal, UsageError } from '../command.ts';
import { firstAgent } from '../doctor/facts.ts';
import { probe } from '../probe/probe.ts';
import { readProfile } from '../sign-in/profile.ts';
import { type Answer, answerOf } from './answer.ts';
import type { Run, Step } from './step.ts';

/** A check found a deployment that does not work: the versions from before may. */
export class CheckFailed extends UsageError {}

/** A new hostname needs its record and its certificate, which takes minutes. */
const TRIES = 100;
const TRY_MS = 3_000;

/** The last steps, which change nothing: both workers answer, good tickets are admitted, bad ones refused. */
export const checkSteps = (run: Run): readonly Step[] => [
  {
    ...{ name: 'broker answers', action: 'check', text: `${run.facts.deployment.broker}/readyz` },
    run: () => untilReady(`${run.facts.deployment.broker}/readyz`, isReady, run.terminal),
  },
  {
    ...{ name: 'agent worker answers', action: 'check', text: run.facts.deployment.agents },
    // No ticket: it refuses, or shows its page.
    run: () => untilReady(`${run.facts.deployment.agents}/`, ({ status }) => status < 500, run.terminal),
  },
  {
    name: 'probe',
    action: 'check',
    text: 'a good ticket is admitted, bad ones are refused',
    run: () => prove(run),
  },
];

const Ready = z.object({ status: z.literal('ready') });
const isReady = ({ status, text }: Answer): boolean =>
  status === 200 && Ready.safeParse(parseJson(text)).success;

async function untilReady(
  url: string,
  isGood: (answer: Answer) => boolean,
  terminal: Terminal,
): Promise<undefined> {
  let answer: Answer | undefined;
  for (let tries = 0; tries < TRIES; tries += 1) {
    answer = await answerOf(url, terminal);
    if (answer !== undefined && isGood(answer)) return undefined;
    await terminal.wait(TRY_MS);
  }
  throw new CheckFailed(
    answer === undefined
      ? `${url} does not answer. A new hostname may take longer: repeat the command in some minutes.`
      : `${url} answers ${answer.status}. The log has the reason: npx wrangler tail. Where Access is in front of it, let this path pass.`,
    { code: 'NOT_READY' },
  );
}

async function prove({ facts, terminal }: Run): Promise<string | undefined> {
  const { profile: name, deployment } = facts;
  const profile = await readProfile(name, terminal);
  const later = `npx agent-ticket probe <agent> --profile ${name}`;
  if (profile === undefined)
    return `skipped: there is no profile ${name}. Sign in by npx agent-ticket login --profile ${name}, then: ${later}`;
  const headers = await authorization(accessOf(profile, name, terminal));
  const answer = await terminal.fetch(`${deployment.broker}/api/agents`, { headers });
  const agent = firstAgent({
    status: answer.status,
    headers: answer.headers,
    body: z.record(z.string(), z.unknown()).safeParse(parseJson(await answer.text())).data,
  });
  if (agent === undefined)
    return `skipped: this operator may connect to no agent yet. After a grant: ${later}`;
  const said: string[] = [];
  const quiet = { ...terminal, out: (text: string) => void said.push(text), err: () => {}, colours: false };
  const code = await probe({ agent, profile: name, json: false }, quiet);
  if (code === 0) return `with ${agent}`;
  const faults = said.filter((line) => line.startsWith('FAULT')).map((line) => line.trim());
  throw new CheckFailed(`${agent}: ${faults.join('; ')}`, { code: 'PROBE' });
}
