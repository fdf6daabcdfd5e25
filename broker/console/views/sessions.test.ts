import { expect, it } from 'vitest';
import { selectorOf } from './sessions.tsx';

it.each([
  [{}, undefined],
  [{ when: 'all' }, undefined],
  [{ person: 'ada@example.com' }, { label: 'ada@example.com' }],
  [{ person: 'auth0:t:auth0|ada' }, { principal: 'auth0:t:auth0|ada' }],
  [{ person: 'svc_x' }, { service_token: 'svc_x' }],
  [{ agent: 'counter' }, { agent: 'counter' }],
  [
    { agent: 'counter', instance: 'a' },
    { agent: 'counter', instance: 'a' },
  ],
  [{ ip_address: '192.0.2.1' }, { ip_address: '192.0.2.1' }],
  // Ending all of one would end more than the list shows.
  [{ person: 'ada@example.com', agent: 'counter' }, undefined],
  [{ agent: 'counter', ip_address: '192.0.2.1' }, undefined],
])('all sessions that the filter %j shows can be ended as %j', (query, selector) => {
  expect(selectorOf(query)).toEqual(selector);
});
