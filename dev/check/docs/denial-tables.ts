import { CLOSES, DENIALS, ERROR_CODES } from '@agent-ticket/shared/denial.ts';
import { code, table } from './table.ts';

export const errors = (): string =>
  table(
    ['code', 'status', 'message'],
    Object.entries(ERROR_CODES).map(([name, { status, message }]) => [code(name), status, message]),
  );

export const closes = (): string =>
  table(
    ['close code', 'reason', 'what the stock client does'],
    Object.entries(CLOSES).map(([reason, { code: close, client }]) => [close, code(reason), client]),
  );

export const denials = (): string =>
  table(
    ['reason in log and audit', 'code outside', 'close code', 'close reason'],
    Object.entries(DENIALS).map(([reason, { code: outside, close }]) => [
      code(reason),
      code(outside),
      CLOSES[close].code,
      code(close),
    ]),
  );
