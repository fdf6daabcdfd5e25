import { describe, expect, it } from 'vitest';
import { issuedAt, ticketIdAt } from './issued-at.ts';
import { TicketId } from './names.ts';

const UUID = '7f0c9c3e-3d0e-4b0a-9a51-0a3b1c5d7e9f';
const MS = 1_645_557_742_123;
const iat = 1_645_557_742;

describe('the time in a ticket’s name', () => {
  it('stands where RFC 9562 has it, and the rest stays random', () => {
    // The example of RFC 9562 §A.6 has this time, to the second.
    expect(ticketIdAt(0x017f22e279b0, UUID)).toBe('017f22e2-79b0-7b0a-9a51-0a3b1c5d7e9f');
    expect(ticketIdAt(0, UUID)).toBe('00000000-0000-7b0a-9a51-0a3b1c5d7e9f');
  });

  it('comes out as it went in', () => {
    for (const ms of [0, 999, 1000, MS, 4_000_000_000_999])
      expect(issuedAt({ iat: Math.floor(ms / 1000), jti: ticketIdAt(ms, UUID) })).toBe(ms);
  });

  it.each<[string, string]>([
    ['has no time', UUID],
    ['is of the second before', ticketIdAt(MS - 1000, UUID)],
    ['is of the second after', ticketIdAt(MS + 1000, UUID)],
    ['is spelled in capitals', ticketIdAt(MS, UUID).toUpperCase()],
  ])('counts for nothing where it %s: then the ticket is as old as its second', (_what, jti) => {
    expect(issuedAt({ iat, jti: TicketId.parse(jti) })).toBe(iat * 1000);
  });
});
