import { BacklogReport } from '@agent-ticket/shared/backlog-report.ts';
import { readBody } from '../../http/body.ts';

/** Takes the report of an object in a JSON body, 204. Who may send one is for whoever leads requests here to know. */
export async function hearBacklog(
  request: Request,
  ledger: { hear(report: BacklogReport): Promise<void> },
): Promise<Response> {
  const report = await readBody(request, BacklogReport);
  if (!report.ok) return new Response(null, { status: 400 });
  await ledger.hear(report.value);
  return new Response(null, { status: 204 });
}
