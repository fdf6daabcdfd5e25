import { profileFile, profileOf } from './api/access.ts';
import type { ExitCode, Terminal } from './command.ts';

/** `agent-ticket profiles save`: keeps what the environment says, in a file that only its owner reads. */
export async function saveProfile(name: string, terminal: Terminal): Promise<ExitCode> {
  const profile = profileOf(terminal.environment);
  const path = await terminal.writePrivate(profileFile(name), `${JSON.stringify(profile, null, 2)}\n`);
  terminal.err(`Kept in ${path}. Use it by --profile ${name}, without the AGENT_TICKET_ variables.\n`);
  return 0;
}
