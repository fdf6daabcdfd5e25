import { defineAgents } from '@agent-ticket/shared/registry.ts';
import { forAll } from '@agent-ticket/shared/test/property.ts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseRoute } from './route.ts';

/** One place has one spelling: every other path leads to another place, or to none. */

const AGENTS = defineAgents([
  { slug: 'rooms', access: 'viewer' },
  { slug: 'rooms-2', access: 'viewer', subAgents: ['child'] },
]);
const routeOf = (path: string, isUpgrade = true) => parseRoute(path, { method: 'GET', isUpgrade }, AGENTS);

const slug = fc.constantFrom('rooms', 'rooms-2');
const instance = fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/).filter((name) => name !== 'sub');
const rest = fc.array(
  fc.oneof(fc.constantFrom('', '.', '..', 'sub', 'SUB', '%73ub', 'child', '%2e%2e'), fc.webSegment()),
  { maxLength: 4 },
);
/** A path that differs little from a valid one. */
const path = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '',
        'agents',
        'rooms',
        'rooms-2',
        'ROOMS',
        'one',
        'sub',
        '%6fne',
        'o%6Ee',
        '..',
        '.',
        'one ',
      ),
      fc.string({ maxLength: 6 }),
    ),
    { maxLength: 7 },
  )
  .map((segments) => `/${segments.join('/')}`);

it('a place that a path leads to is written in the path, letter by letter', () =>
  forAll(path, (text) => {
    const route = routeOf(text);
    if (!route.ok) return;
    const { entry, instance: name } = route.value;
    expect(text.split('/').slice(2, 4)).toEqual([entry.slug, name]);
  }));

it('two places never have one path, nor one place two without what is behind it', () =>
  forAll(fc.record({ a: fc.tuple(slug, instance), b: fc.tuple(slug, instance) }), ({ a, b }) => {
    const [one, other] = [a, b].map(([agent, name]) => `/agents/${agent}/${name}`);
    const [first, second] = [routeOf(one ?? ''), routeOf(other ?? '')];
    expect(first.ok && [first.value.entry.slug, first.value.instance]).toEqual(a);
    expect(second.ok && first.ok && second.value.instance === first.value.instance && a[0] === b[0]).toBe(
      one === other,
    );
  }));

it('what is behind a place leads to no other, and to sub-agents only where they are listed', () =>
  forAll(fc.record({ agent: slug, name: instance, rest }), ({ agent, name, rest: behind }) => {
    const route = routeOf(['', 'agents', agent, name, ...behind].join('/'));
    if (!route.ok) return;
    expect([route.value.entry.slug, route.value.instance]).toEqual([agent, name]);
    const markers = behind.filter((segment) => /^sub$/i.test(segment) || decodedIsSub(segment));
    expect(
      markers.length === 0 || (agent === 'rooms-2' && behind[0] === 'sub' && behind[1] === 'child'),
    ).toBe(true);
  }));

function decodedIsSub(segment: string): boolean {
  try {
    return decodeURIComponent(segment).toLowerCase() === 'sub';
  } catch (error) {
    if (error instanceof URIError) return false;
    throw error;
  }
}
