import { type Clause, deviates, none, yes } from './clause.ts';

const RECEIVE = 'broker/test/node/caep-receive.test.ts';
const PUSH = 'broker/test/node/caep-push.test.ts';

/** OpenID CAEP 1.0, with the Shared Signals Framework 1.0, RFC 8417 (the token) and RFC 8935 (its delivery). */
export const CAEP: readonly Clause[] = [
  yes(
    'CAEP §3.1 session-revoked',
    'a receiver ends sessions of the subject',
    'it also refuses tickets and credentials from before the time of the event',
    [RECEIVE, 'refuses credentials of the person from before, and ends what rests on them'],
  ),
  yes(
    'CAEP §2 event_timestamp',
    'the time of the event decides',
    'the time of its arrival has no effect',
    [RECEIVE, 'leaves later credentials alone: the moment of the event counts, not that of its arrival'],
    [RECEIVE, 'without a moment counts from its issue, and one to come from now'],
  ),
  deviates(
    'CAEP §3.2 and on',
    'other events',
    'the broker accepts them from a transmitter, and they have no effect',
    [RECEIVE, 'of %s is taken without effect'],
  ),
  yes(
    'SSF §3 subjects',
    'subjects by issuer and subject',
    'only subjects of the issuer that is configured for the transmitter',
    [RECEIVE, 'refuses credentials of the person from before, and ends what rests on them'],
    [PUSH, 'when %s, once, with the person as the issuer names it'],
  ),
  yes(
    'RFC 8417 §2.2',
    'a token is used once by its jti',
    'the broker stores the jti before the event takes effect; a repetition gets the same answer',
    [RECEIVE, 'is executed once, however often it is sent, and answered alike'],
    [RECEIVE, 'that failed is executed when it is sent again'],
  ),
  yes(
    'RFC 8417 §4',
    'a security event is no credential',
    'its type and its audience differ from those of a credential',
    [PUSH, 'not for a credential of the broker'],
    [PUSH, 'never has an audience of ours: %s'],
  ),
  yes('RFC 8935 §2', 'a POST of application/secevent+jwt, answered by 202', 'another media type is refused', [
    RECEIVE,
    'in another media type',
  ]),
  yes(
    'RFC 8935 §2.4',
    'errors have a code',
    'an error has no other details',
    [RECEIVE, 'after too many that were wrong, from the same address'],
    [RECEIVE, 'is limited for each transmitter, and the rest is to be sent later'],
  ),
  yes(
    'SSF §8.1.4 verification',
    'a stream can be verified',
    'the test of a webhook sends a verification event',
    [PUSH, 'as a verification event in a test'],
  ),
  none(
    'SSF §7, §8 management of streams',
    'configuration by an API',
    'transmitters and receivers are settings and webhooks of an operator',
  ),
];
