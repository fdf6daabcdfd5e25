import { describe, expect, it } from 'vitest';
import {
  AgentSlug,
  InstanceName,
  KeyId,
  PrincipalId,
  ROLES,
  roleAtLeast,
  SessionId,
  TIERS,
  TicketId,
  tierAtLeast,
} from './names.ts';

const UUID = '5f8f1c9e-3b52-4c0d-9a53-0f1d6a1f7e11';
const THUMBPRINT = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs';

const tables = {
  PrincipalId: {
    schema: PrincipalId,
    good: [
      'access:acme:user:7335d417-61da-459d-899c-0a01c76a2f94',
      'access:acme:service:88bf3b6d86161464f6509f7219099e57.access',
      'auth0:acme.eu.auth0.com:auth0|5f7c8ec7c33c6c004bbafe82',
      'oidc:ci:repo:acme/app:ref:refs/heads/main',
      'token:5f8f1c9e',
      'anonymous:dev',
      `x:${'y'.repeat(500)}`,
    ],
    bad: [
      '',
      ':',
      'x:',
      'x',
      'X:y',
      'x y:z',
      '-:x',
      'x:\n',
      'x:\u007f',
      'x:\u00e9',
      'x:y\n',
      ` x:y`,
      `x:${'y'.repeat(501)}`,
    ],
  },
  AgentSlug: {
    schema: AgentSlug,
    good: ['a', 'counter', 'mcp-agent', 'a1-2b-3', 'a'.repeat(64)],
    bad: [
      '',
      'A',
      '1a',
      '-a',
      'a-',
      'a--b',
      'a_b',
      'a b',
      'a/b',
      'a.b',
      'a%2f',
      '\u0430',
      'a\n',
      'a\0',
      'a'.repeat(65),
    ],
  },
  InstanceName: {
    schema: InstanceName,
    good: ['a', 'A', '0', '-', '_', 'default', 'Room_1-x', '__proto__', 'SUB', 'i'.repeat(128)],
    bad: [
      '',
      ' ',
      '.',
      '..',
      'a.b',
      'a/b',
      'a%2Fb',
      'a b',
      'a+b',
      'a~b',
      'a\n',
      '\na',
      'a\0',
      '\u00e9',
      'e\u0301',
      'sub',
      'i'.repeat(129),
    ],
  },
  KeyId: {
    schema: KeyId,
    good: [THUMBPRINT, '_'.repeat(43)],
    bad: [
      '',
      THUMBPRINT.slice(1),
      `${THUMBPRINT}A`,
      `${THUMBPRINT}=`,
      `${THUMBPRINT}\n`,
      '__proto__',
      '+'.repeat(43),
    ],
  },
  TicketId: {
    schema: TicketId,
    good: [UUID],
    bad: ['', '1', `{${UUID}}`, UUID.replaceAll('-', ''), `${UUID}\n`, ` ${UUID}`],
  },
  SessionId: {
    schema: SessionId,
    good: [UUID],
    bad: ['', '1', `{${UUID}}`, UUID.replaceAll('-', ''), `${UUID}\n`, `${UUID}/`],
  },
};

describe.each(Object.entries(tables))('%s', (_name, { schema, good, bad }) => {
  it.each(good)('%j is one, unchanged', (text) => {
    expect(schema.parse(text)).toBe(text);
  });

  it.each([...bad, null, undefined, 1, {}, ['a']])('%j is none', (value) => {
    expect(schema.safeParse(value).success).toBe(false);
  });
});

describe('every character outside the alphabet is refused anywhere in an instance name', () => {
  it('so that no two spellings of a path name one instance', () => {
    const accepted = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).filter(
      (character) => InstanceName.safeParse(`a${character}b`).success,
    );
    expect(accepted.join('')).toBe('-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz');
    expect(accepted.every((character) => encodeURIComponent(character) === character)).toBe(true);
    expect(accepted.every((character) => character.normalize('NFKC') === character)).toBe(true);
  });
});

describe('rank', () => {
  it.each([
    ['tier', TIERS, tierAtLeast],
    ['role', ROLES, roleAtLeast],
  ] as const)(
    'of every %s is total: each is at least itself and those before it',
    (_name, order, atLeast) => {
      const compare = atLeast as (held: string, needed: string) => boolean;
      for (const [heldRank, held] of order.entries())
        for (const [neededRank, needed] of order.entries())
          expect(compare(held, needed)).toBe(heldRank >= neededRank);
    },
  );

  it('goes free, pro, admin and viewer, admin, owner', () => {
    expect([TIERS, ROLES]).toEqual([
      ['free', 'pro', 'admin'],
      ['viewer', 'admin', 'owner'],
    ]);
  });
});
