import { MOST_COUNTED, type SeenPrincipal } from '@agent-ticket/drizzle/control/principals.ts';
import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { targetNameOfParty } from '@agent-ticket/shared/target.ts';
import * as z from 'zod';
import { iso } from '../http/iso.ts';
import { PAGE, pageOf, readPage } from '../http/page.ts';
import { readQuery } from '../http/query.ts';
import type { Call, Handler } from '../runtime/call.ts';

/**
 * A label as operators type it: an address or a name. The case of ASCII letters and spaces around it do not matter, and
 * composed characters are one, as {@link labelOf} keeps them.
 */
export const Label = z.string().trim().normalize('NFC').min(1).max(320);

const Filter = z.object({ label: Label.optional() });
export const PrincipalQuery = PAGE.extend(Filter.shape);

const Place = z.strictObject({ label: z.string(), id: z.string() });

/** `GET /admin/principals`: those that have a label, by label, all or those whose label begins with `label`. */
export const listPrincipals: Handler = async ({ request, now, ports }) => {
  const query = readQuery(request.url, Filter);
  if (!query.ok) return query;
  const page = await readPage(request.url, Place);
  if (!page.ok) return page;
  const { limit, after } = page.value;
  const { control, record } = ports;
  const rows = await control.principals.list(query.value.label ?? '', after, limit + 1);
  const asked = rows.map(({ id }) => ({ id, target: targetNameOfParty(PrincipalId.parse(id)) }));
  const [counts, live] = await Promise.all([
    control.principals.countsOf(asked, now),
    record.sessions.countLive(
      rows.map(({ id }) => id),
      MOST_COUNTED,
    ),
  ]);
  const view = ({ id, label, lastSeenAt }: SeenPrincipal) => ({
    id,
    label,
    last_seen_at: iso(lastSeenAt),
    live_sessions: live.get(id) ?? 0,
    grants: counts.get(id)?.grants ?? 0,
    locks: counts.get(id)?.locks ?? 0,
  });
  return ok({ status: 200, body: pageOf({ rows }, page.value, view, ({ label, id }) => ({ label, id })) });
};

/** More principals of one label are no answer to a question about a person. */
const MOST_OF_A_LABEL = 20;

/** The ids of the principals with a label, of which there may be none. */
export async function idsOfLabel(label: string, { ports }: Pick<Call, 'ports'>): Promise<Outcome<string[]>> {
  const ids = await ports.control.principals.withLabel(label, MOST_OF_A_LABEL + 1);
  return ids.length > MOST_OF_A_LABEL
    ? err('field_invalid', {
        field: 'label',
        hint: `more than ${MOST_OF_A_LABEL} principals have it: name one`,
      })
    : ok(ids);
}
