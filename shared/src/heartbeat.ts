/**
 * The frame by which a client finds a dead connection, and its answer. The runtime answers in place of the object,
 * which stays asleep, so both sides need the exact text.
 */
export const PING = '{"type":"ticket.ping"}';
export const PONG = '{"type":"ticket.pong"}';
