import { describe, expect, it } from 'vitest';
import { logNaming, nameRequest, requestFields, traceparentOf } from './trace-context.ts';

const REQUEST = '1b4e28ba-2fa1-41d2-883f-0016d3cca427';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const OWN = { traceId: '1b4e28ba2fa141d2883f0016d3cca427', spanId: '883f0016d3cca427' };

const traceOf = (...values: string[]) => {
  const headers = new Headers();
  for (const value of values) headers.append('traceparent', value);
  return nameRequest(headers, REQUEST).trace;
};

describe('a trace goes on', () => {
  it.each([
    ['of version 00', `00-${TRACE}-${PARENT}-01`, true],
    ['that nobody recorded', `00-${TRACE}-${PARENT}-00`, false],
    ['with flags that are not defined', `00-${TRACE}-${PARENT}-ff`, true],
    ['with such flags, not recorded', `00-${TRACE}-${PARENT}-fe`, false],
    ['of a later version', `cc-${TRACE}-${PARENT}-01`, true],
    ['of a later version that says more', `cc-${TRACE}-${PARENT}-01-what-the-future-will-be`, true],
    ['with white space around it', ` 00-${TRACE}-${PARENT}-01\t`, true],
  ])('%s, by its id and from the span of the caller', (_, header, isSampled) => {
    const trace = traceOf(header);
    expect(trace).toEqual({ traceId: TRACE, parentId: PARENT, spanId: OWN.spanId, isSampled });
    expect(traceparentOf(trace)).toBe(`00-${TRACE}-${OWN.spanId}-0${isSampled ? 1 : 0}`);
  });
});

describe('a trace begins, by the id of the request', () => {
  it.each([
    ['without a header'],
    ['an empty header', ''],
    ['version ff', `ff-${TRACE}-${PARENT}-01`],
    ['version 00 that says more', `00-${TRACE}-${PARENT}-01-more`],
    ['version 00 with a hyphen at the end', `00-${TRACE}-${PARENT}-01-`],
    ['a later version that goes on without a hyphen', `cc-${TRACE}-${PARENT}-01.more`],
    ['upper case', `00-${TRACE.toUpperCase()}-${PARENT}-01`],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-${PARENT}-01`],
    ['a parent id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['a short trace id', `00-${TRACE.slice(1)}-${PARENT}-01`],
    ['a long parent id', `00-${TRACE}-${PARENT}0-01`],
    ['no flags', `00-${TRACE}-${PARENT}`],
    ['a digit that is none', `00-${TRACE.slice(1)}g-${PARENT}-01`],
    ['underscores', `00_${TRACE}_${PARENT}_01`],
    ['two headers', `00-${TRACE}-${PARENT}-01`, `00-${TRACE}-${PARENT}-01`],
    ['two headers of a later version', `cc-${TRACE}-${PARENT}-01`, `cc-${TRACE}-${PARENT}-01`],
    ['257 characters', `cc-${TRACE}-${PARENT}-01-${'x'.repeat(201)}`],
  ])('%s', (_, ...headers) => {
    const trace = traceOf(...headers);
    expect(trace).toEqual({ ...OWN, isSampled: false });
    expect(traceparentOf(trace)).toBe(`00-${OWN.traceId}-${OWN.spanId}-00`);
  });
});

it('256 characters are read', () => {
  expect(traceOf(`cc-${TRACE}-${PARENT}-01-${'x'.repeat(200)}`).traceId).toBe(TRACE);
});

it('a request that is passed on with its id stays in its span', () => {
  const passedOn = traceparentOf(traceOf(`00-${TRACE}-${PARENT}-01`));
  expect(traceOf(passedOn)).toEqual({ traceId: TRACE, spanId: OWN.spanId, isSampled: true });
});

it('a line names the request, and no line can name another', () => {
  const lines: unknown[] = [];
  const named = nameRequest(new Headers({ traceparent: `00-${TRACE}-${PARENT}-01` }), REQUEST);
  logNaming(named, (line) => lines.push(line))({ event: 'x', request_id: 'other' });
  const fields = { request_id: REQUEST, trace_id: TRACE, span_id: OWN.spanId, parent_id: PARENT };
  expect(requestFields(named)).toEqual(fields);
  expect(lines).toEqual([{ event: 'x', ...fields }]);
});
