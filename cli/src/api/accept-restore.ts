import * as z from 'zod';
import { type ExitCode, type Terminal, UsageError } from '../command.ts';
import { findAccess } from './access.ts';
import { callBroker } from './client.ts';
import { type Members, operationOf } from './operation.ts';
import type { Common } from './row.ts';
import { confirm } from './run-row.ts';
import { showObject } from './show.ts';

const Seal = z.object({ n: z.int(), through: z.int(), hash: z.string() });
const Shown = z.object({ state: z.string(), noted: Seal.nullable(), found: Seal });

const LOSSES: Readonly<Record<string, string>> = {
  ends_earlier: 'The record database was restored, or the end of its log was cut off',
  rewritten: 'The log has another checkpoint in the place of the noted one',
  does_not_follow: 'The log goes on with a checkpoint that no key of this broker signed',
};

/**
 * `agent-ticket audit accept-restore`: shows how the log differs from the noted seal, asks, and accepts exactly that. An
 * operator who has restored nothing must not accept it: then another party changed the log.
 */
export async function acceptRestore(members: Members, common: Common, terminal: Terminal): Promise<ExitCode> {
  const access = await findAccess(common.profile, terminal);
  const body = await callBroker(operationOf('GET /admin/agents/audit/seal'), {}, access, terminal);
  const { state, noted, found } = Shown.parse(body);
  if (noted === null || state === 'agrees')
    throw new UsageError('The log ends as the control database has noted. There is nothing to accept.');
  const ends = ({ n, through }: z.output<typeof Seal>) => `checkpoint ${n}, event ${through}`;
  const question = `${LOSSES[state] ?? state}: noted was ${ends(noted)}, and the log ends with ${ends(found)}. Accept this only after a restore of your own.`;
  await confirm(question, common, terminal);
  const given = ({ n, hash }: z.output<typeof Seal>) => ({ n, hash });
  const wanted = { ...members, noted: given(noted), found: given(found) };
  const answer = await callBroker(
    operationOf('POST /admin/agents/audit/seal/accept'),
    wanted,
    access,
    terminal,
  );
  showObject(answer, common.json, terminal);
  return 0;
}
