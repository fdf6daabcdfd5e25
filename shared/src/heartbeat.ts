/**
 * The frame by which a client finds out that its connection is dead, and its answer. The runtime gives the answer in place
 * of an object, which stays asleep, so both sides need the exact text.
 */
export const PING = '{"type":"ticket.ping"}';
export const PONG = '{"type":"ticket.pong"}';
