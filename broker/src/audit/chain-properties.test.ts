import { forAll } from '@agent-ticket/shared/test/property.ts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CHAIN_START, canonicalText, chainOn } from './chain.ts';

/** The canonical form, and the chain over it. */

const word = fc.oneof(
  fc.constantFrom('', '\u0000', '"', '\\', '\u2028', '😀', 'דּ', '10', '9', '__proto__'),
  fc.string({ unit: 'binary' }),
);
/**
 * Without backslashes: `JSON.parse` of Node 24.21 reads the name of a member that begins with an escape as a backslash, where
 * a text before had the members `a` and backslash, and this one has `a` and an escape.
 */
const name = word.filter((text) => !text.includes('\\'));
/** Values of JSON, as a parser makes them, without the negative zero that JSON text loses. */
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, false),
    fc.double({ noDefaultInfinity: true, noNaN: true }).map((number) => (number === 0 ? 0 : number)),
    fc.maxSafeInteger(),
    word,
    fc.array(tie('json'), { maxLength: 4 }),
    fc.array(fc.tuple(name, tie('json')), { maxLength: 4 }).map(membersOf),
  ),
}));
const members = fc.uniqueArray(fc.tuple(name, json), { selector: ([each]) => each, maxLength: 6 });

/** Also of a member that is called `__proto__`. */
function membersOf(entries: readonly (readonly [string, unknown])[]): object {
  return Object.fromEntries(entries);
}

it('of a value can be read back, is spelled once, and does not depend on the order of members', () =>
  forAll(fc.tuple(members, fc.nat()), ([entries, turn]) => {
    const text = canonicalText(membersOf(entries)) ?? '';
    const again: unknown = JSON.parse(text);
    expect(again).toEqual(membersOf(entries));
    expect(canonicalText(again)).toBe(text);
    const at = entries.length === 0 ? 0 : turn % entries.length;
    expect(canonicalText(membersOf([...entries.slice(at), ...entries.slice(0, at)].toReversed()))).toBe(text);
  }));

const event = fc.record({ seq: fc.nat(9), type: word, details: json });
const headOf = (events: readonly unknown[]): string | undefined =>
  events.reduce<string | undefined>((head, one) => head && chainOn(head, one), CHAIN_START);

it('with any event changed, removed, inserted, repeated or moved the head of the log is another', () => {
  const edit = fc.record({
    events: fc.array(event, { minLength: 1, maxLength: 8 }),
    from: fc.nat(),
    to: fc.nat(),
    kind: fc.constantFrom('change', 'remove', 'insert', 'repeat', 'move'),
    other: event,
  });
  return forAll(edit, ({ events, from, to, kind, other }) => {
    const [at, into] = [from % events.length, to % events.length];
    const one = events[at];
    const without = events.toSpliced(at, 1);
    const edited = {
      change: () => events.with(at, other),
      remove: () => without,
      insert: () => events.toSpliced(at, 0, other),
      repeat: () => events.toSpliced(at, 0, one ?? other),
      move: () => without.toSpliced(into, 0, one ?? other),
    }[kind]();
    const isSame = canonicalText(edited) === canonicalText(events);
    expect(headOf(events)).toBeDefined();
    expect(headOf(edited) === headOf(events)).toBe(isSame);
  });
});
