import { AgentSlug, InstanceName, PrincipalId, SessionId } from '@agent-ticket/shared/names.ts';
import { expect, it } from 'vitest';
import { recallOf } from './recall.ts';

const agent = AgentSlug.parse('counter');
const instance = InstanceName.parse('main');
const id = PrincipalId.parse('auth0:t:bob');
const SESSION = SessionId.parse('7f0c9c3e-3d0e-4b0a-9a51-0a3b1c5d7e9f');
const person = { kind: 'principal', id } as const;

it.each<[string, Parameters<typeof recallOf>[0], { target: string; principal?: string } | undefined]>([
  ['rights of everybody on an agent', { op: 'refresh', agent }, { target: 'agent:counter' }],
  [
    'rights of everybody on an instance',
    { op: 'refresh', agent, instance },
    { target: 'instance:counter/main' },
  ],
  [
    'rights of one on an instance',
    { op: 'refresh', agent, instance, principal: id },
    { target: 'instance:counter/main', principal: id },
  ],
  ['a sign-out', { op: 'terminate', target: person }, { target: 'principal:auth0:t:bob' }],
  ['the end of one session', { op: 'terminate', target: { kind: 'session', id: SESSION } }, undefined],
  ['a lock', { op: 'lock', target: person, until: null }, undefined],
  ['the end of a lock', { op: 'unlock', target: person }, undefined],
  ['a deletion', { op: 'destroy', target: { kind: 'instance', agent, instance } }, undefined],
  ['a look for ghosts', { op: 'reconcile' }, undefined],
])('%s recalls the tickets that it should', (_what, command, recall) => {
  expect(recallOf(command, 7)).toEqual(recall && { ...recall, issuedBy: 7 });
});
