import * as z from 'zod';
import type { ExitCode, Terminal } from '../command.ts';
import type { Access } from './access.ts';
import { findAccess } from './access.ts';
import type { Json } from './client.ts';
import { column } from './columns.ts';
import { type Call, type Members, operationOf } from './operation.ts';
import type { Common } from './row.ts';
import { pagesOf, showList } from './show.ts';

const Ended = z.object({
  at: z.string(),
  agent: z.string().nullable(),
  details: z.object({
    grant: z.string().optional(),
    subject: z.string().optional(),
    service_token: z.string().optional(),
  }),
});

const COLUMNS = [
  column('WHAT', 'what'),
  column('ID', 'id'),
  column('SUBJECT', 'subject', { spare: 1, least: 10 }),
  column('AGENT', 'agent'),
  column('ENDED', 'ended_at'),
];

/**
 * `agent-ticket audit returned`: grants and service tokens whose end is in the audit log, and which the broker still
 * has, as after a restore of the control database. Ends with 1 where there are any.
 */
export async function auditReturned(
  { from }: Members,
  common: Common,
  terminal: Terminal,
): Promise<ExitCode> {
  const access = await findAccess(common.profile, terminal);
  const rowsOf = (call: Call, members: Members) => allRows(call, members, access, terminal);
  const found: Json[] = [];
  const tokens = new Set<unknown>();
  for await (const { id } of rowsOf('GET /admin/service-tokens', {})) tokens.add(id);
  for await (const row of rowsOf('GET /admin/agents/audit', { type: 'service_token.revoked', from })) {
    const { at, details } = Ended.parse(row);
    const id = details.service_token;
    if (tokens.delete(id))
      found.push({ what: 'service token', id, subject: null, agent: null, ended_at: at });
  }
  for await (const row of rowsOf('GET /admin/agents/audit', { type: 'grant.deleted', from })) {
    const { at, agent, details } = Ended.parse(row);
    const { grant, subject } = details;
    if (grant === undefined || agent === null) continue;
    for await (const { id } of rowsOf('GET /admin/grants', { agent, subject }))
      if (id === grant) found.push({ what: 'grant', id, subject, agent, ended_at: at });
  }
  await showList(pages(found), COLUMNS, common.json, terminal);
  return found.length === 0 ? 0 : 1;
}

async function* pages(rows: readonly Json[]) {
  yield rows;
}

async function* allRows(
  call: Call,
  members: Members,
  access: Access,
  terminal: Terminal,
): AsyncGenerator<Json> {
  const every = Number.MAX_SAFE_INTEGER;
  for await (const page of pagesOf(operationOf(call), members, every, access, terminal)) yield* page;
}
