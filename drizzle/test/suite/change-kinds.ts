import type { Change } from '../../control/change.ts';
import { grants, revocations, signingKeys } from '../../control/schema.ts';
import type { ControlStore } from '../../control/store.ts';
import type { Databases, Write } from './databases.ts';
import {
  ALICE,
  auditEvent,
  grant,
  MINUTE,
  NOW,
  newGrant,
  revocationRow,
  secret,
  serviceToken,
  signingKey,
  tokenId,
  uuidOf,
  webhook,
} from './rows.ts';

/** The statements of one kind of change. */
type Statements = Pick<Change, 'before' | 'statement' | 'after'>;

export interface Kind {
  readonly what: string;
  /** What is there beforehand. */
  readonly arrange?: (databases: Databases) => Promise<unknown>;
  readonly make: (control: ControlStore, databases: Databases) => Statements;
  /** Every write of it beside those to outbox and revocations. */
  readonly writes: readonly (readonly [Write, string])[];
  /** What somebody else did in between, so that it does not apply; left out: nothing can. */
  readonly lost?: (databases: Databases) => Promise<unknown>;
}

const END = { retiresAt: NOW + MINUTE, removedAt: NOW + 2 * MINUTE };
const firstKey = ({ controlDb }: Databases) => controlDb.insert(signingKeys).values(signingKey());
const bothKeys = async (databases: Databases) => {
  await firstKey(databases);
  const next = signingKey({ kid: 'key-2', generation: 2, activatesAt: END.retiresAt });
  await databases.controlDb.insert(signingKeys).values(next);
};
const token = async ({ control }: Databases) => {
  const made = control.serviceTokens.create(serviceToken(), secret());
  await control.change({ ...made, event: auditEvent({ eventId: uuidOf(800) }), dueAt: NOW });
};
export const put =
  (differs: Parameters<typeof grant>[0] = {}) =>
  ({ controlDb }: Databases) =>
    controlDb.insert(grants).values(grant(differs));
const lockRow = ({ controlDb }: Databases) =>
  controlDb.insert(revocations).values(revocationRow({ id: 'lock-0' }));
/** By the same statement, somebody else's. */
const first =
  (make: Kind['make']) =>
  (databases: Databases): Promise<unknown> =>
    databases.control.change({
      ...make(databases.control, databases),
      event: auditEvent({ eventId: uuidOf(900) }),
      dueAt: NOW,
    });

const deleteGrant: Kind['make'] = ({ grants: store }) => ({ statement: store.delete('grant-1', NOW) });
const dropLapsed: Kind['make'] = ({ grants: store }) => ({ statement: store.dropLapsed('grant-1', NOW + 1) });
const rotateKey: Kind['make'] = ({ keys }) => keys.rotate(signingKey({ kid: 'key-2', generation: 2 }), END);
const revokeToken: Kind['make'] = ({ serviceTokens }) => ({
  statement: serviceTokens.revoke(tokenId('1'), NOW),
});
const liftLock: Kind['make'] = ({ revocations: store }) => ({ statement: store.lift('lock-0', NOW) });
const insertWebhook: Kind['make'] = ({ webhooks }) => ({ statement: webhooks.insert(webhook(), 1) });
/** Beside the event of {@link first}, by which the row was made. */
const deleteWebhookIn = ({ webhooks }: ControlStore) => ({
  statement: webhooks.delete(uuidOf(1)),
  event: auditEvent({ eventId: uuidOf(901) }),
});
const someWebhook = first(insertWebhook);
const activated = { kind: 'activated', kid: 'key-2' } as const;

/** Every kind of change. */
export const KINDS: readonly Kind[] = [
  {
    what: 'a grant',
    make: ({ grants: store }) => ({ statement: store.insert(newGrant()) }),
    writes: [['INSERT', 'grants']],
  },
  {
    what: 'the deletion of a grant',
    arrange: put(),
    make: deleteGrant,
    writes: [['UPDATE', 'grants']],
    lost: first(deleteGrant),
  },
  {
    what: 'a claim',
    make: ({ grants: store }) => ({ statement: store.claim(newGrant({ role: 'owner' }), 3, 0) }),
    writes: [['INSERT', 'grants']],
    lost: put({ id: 'first', role: 'owner', subject: 'auth0:people.test:bob', claimed: true }),
  },
  {
    what: 'a lapsed claim',
    arrange: put({ claimed: true, role: 'owner' }),
    make: dropLapsed,
    writes: [['DELETE', 'grants']],
    lost: ({ control }) => control.grants.noteOpened('grant-1', NOW),
  },
  {
    what: 'a service token',
    make: ({ serviceTokens }) => serviceTokens.create(serviceToken(), secret()),
    writes: [
      ['INSERT', 'service_tokens'],
      ['INSERT', 'service_token_secrets'],
    ],
  },
  {
    what: 'the rotation of a service token',
    arrange: token,
    make: ({ serviceTokens }) => serviceTokens.addSecret(secret({ digest: 'digest-2' }), NOW + MINUTE),
    writes: [
      ['INSERT', 'service_token_secrets'],
      ['UPDATE', 'service_token_secrets'],
    ],
    lost: first(revokeToken),
  },
  {
    what: 'the revocation of a service token',
    arrange: token,
    make: revokeToken,
    writes: [['UPDATE', 'service_tokens']],
    lost: first(revokeToken),
  },
  {
    what: 'the first key',
    make: ({ keys }) => keys.makeFirst(signingKey()),
    writes: [['INSERT', 'signing_keys']],
    lost: ({ controlDb }) => controlDb.insert(signingKeys).values(signingKey({ kid: 'other' })),
  },
  {
    what: 'the rotation of a key',
    arrange: firstKey,
    make: rotateKey,
    writes: [
      ['INSERT', 'signing_keys'],
      ['UPDATE', 'signing_keys'],
    ],
    lost: first(({ keys }) => keys.rotate(signingKey({ kid: 'other', generation: 2 }), END)),
  },
  {
    what: 'the revocation of a key with a new successor',
    arrange: firstKey,
    make: ({ keys }) =>
      keys.revoke('key-1', { kind: 'made', key: signingKey({ kid: 'key-2', generation: 2 }) }, NOW),
    writes: [
      ['INSERT', 'signing_keys'],
      ['UPDATE', 'signing_keys'],
    ],
    lost: first(({ keys }) => keys.rotate(signingKey({ kid: 'other', generation: 2 }), END)),
  },
  {
    what: 'the revocation of a key whose successor is pending',
    arrange: bothKeys,
    make: ({ keys }) => keys.revoke('key-1', activated, NOW),
    writes: [['UPDATE', 'signing_keys']],
    lost: first(({ keys }) => keys.revoke('key-2', { kind: 'same' }, NOW)),
  },
  {
    what: 'a webhook',
    make: insertWebhook,
    writes: [['INSERT', 'webhooks']],
    lost: first(({ webhooks }) => ({ statement: webhooks.insert(webhook({ id: uuidOf(2) }), 1) })),
  },
  {
    what: 'the deletion of a webhook',
    arrange: someWebhook,
    make: ({ webhooks }) => ({ statement: webhooks.delete(uuidOf(1)) }),
    writes: [['DELETE', 'webhooks']],
    lost: ({ control }) => control.change({ ...deleteWebhookIn(control), dueAt: NOW }),
  },
  {
    what: 'another place in the log for a webhook',
    arrange: someWebhook,
    make: ({ webhooks }) => ({ statement: webhooks.moveTo(uuidOf(1), 3, NOW + 1) }),
    writes: [['UPDATE', 'webhooks']],
  },
  { what: 'a lock', make: () => ({}), writes: [] },
  {
    what: 'a lifted lock',
    arrange: lockRow,
    make: liftLock,
    writes: [['UPDATE', 'revocations']],
    lost: first(liftLock),
  },
  {
    what: 'a sign-out',
    arrange: ({ controlDb, control }) =>
      controlDb.batch([
        controlDb.insert(grants).values(grant()),
        control.authSessions.insert({
          ...{ id: 'a', issuer: 'i', subject: 's', sid: null, claims: {} },
          ...{ createdAt: NOW, expiresAt: NOW + MINUTE },
        }),
      ]),
    make: ({ authSessions, principals }) => ({
      before: [authSessions.endAll({ issuer: 'i', subject: 's' }, NOW)],
      statement: principals.signOut({
        ...{ id: ALICE, tokensBefore: NOW, loginsBefore: NOW, keptUntil: NOW + MINUTE },
      }),
    }),
    writes: [
      ['UPDATE', 'auth_sessions'],
      ['INSERT', 'principals'],
    ],
  },
];
