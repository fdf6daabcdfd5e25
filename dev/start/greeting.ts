import { relative } from 'node:path';
import type { StackFacts } from './stack.ts';

/** What `npm start` says once everything runs: where things are, and one line that works as pasted. */
export function greeting(facts: StackFacts, folder: string, colour: boolean): string {
  const bold = (text: string): string => (colour ? `\u001b[1m${text}\u001b[0m` : text);
  const near = relative(process.cwd(), folder) || '.';
  const data = near.startsWith('..') ? folder : near;
  const { clientId, clientSecret } = facts.serviceToken;
  return [
    '',
    `  ${bold('broker')}             ${facts.broker}`,
    `  ${bold('agent worker')}       ${facts.agentWorker}  (demo page)`,
    `  ${bold('identity provider')}  ${facts.identityProvider}  (stand-in)`,
    '',
    '  A ticket for the counter:',
    '',
    `curl -sS ${facts.broker}/tickets -u ${clientId}:${clientSecret} -H 'content-type: application/json' -d '{"agent":"counter","instance":"demo"}'`,
    '',
    `  Addresses and credentials are in ${data}/dev.json, logs in ${data}/workers.log. Ctrl-C ends everything.`,
    '',
    '',
  ].join('\n');
}
