import { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import { code, table } from './table.ts';

export const claims = (): string =>
  table(
    ['claim', 'present'],
    Object.entries(TicketClaims.shape).map(([name, schema]) => [
      code(name),
      schema.safeParse(undefined).success ? 'where it applies' : 'always',
    ]),
  );
