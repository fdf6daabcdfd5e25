import { type Clause, none, yes } from './clause.ts';

const HEADER = 'shared/src/verify-ticket-header.test.ts';
const SPELLING = 'shared/src/verify-ticket-spelling.test.ts';
const CLAIMS = 'shared/src/verify-ticket-claims.test.ts';
const SIGNATURE = 'shared/src/verify-ticket-signature.test.ts';
const KINDS = 'shared/src/own-jws-kinds.test.ts';
const KEY_SET = 'shared/src/key-set.test.ts';
const REMOTE = 'shared/src/remote-keys.test.ts';
const FOREIGN = 'dev/identity-faults/tokens.test.ts';

/** RFC 8725, best practice for JWTs. */
export const RFC_8725: readonly Clause[] = [
  yes(
    '§3.1',
    'the verifier fixes the algorithms; a key has one',
    'ES256 and Ed25519; the key decides, and the header never does',
    [HEADER, 'the algorithm of another type of key is refused although it is one of ours'],
    [KEY_SET, 'gives each key under its kid with the one algorithm it may verify'],
  ),
  yes(
    '§3.2',
    'only suitable algorithms',
    'none, HS*, RS* and PS* are refused for tickets; foreign tokens are RS256 with 2,048 bits or more, or ES256',
    [HEADER, '%j is refused before a key is looked for'],
    [HEADER, '%s opens nothing, under HS256 or under ES256'],
  ),
  yes(
    '§3.3',
    'every cryptographic step is validated, and any failure refuses the whole',
    'one signature, checked before a claim is read',
    ['shared/src/verify-ticket.test.ts', 'a signature is checked before any claim is read'],
    [SIGNATURE, 'of r = %s and s = %s is refused'],
    [SPELLING, 'is refused at every position ($alg)'],
  ),
  yes(
    '§3.4',
    'inputs of cryptography are validated',
    'keys of a set are imported one by one; an unusable one is skipped',
    [KEY_SET, '%s is skipped, and the good one beside it serves'],
  ),
  yes(
    '§3.5',
    'keys have enough entropy',
    'key pairs come from WebCrypto; secrets of service tokens have 256 random bits',
    ['broker/src/keys/seal.test.ts', 'opens to the members of a key and no others'],
    ['broker/src/credentials/secret.test.ts', 'asks for enough randomness: 43 characters, 256 bits'],
  ),
  none('§3.6', 'no compression before encryption', 'nothing is encrypted as a JWT'),
  yes(
    '§3.7',
    'UTF-8',
    'header and claims that are not UTF-8 are refused',
    [HEADER, 'bytes that are not UTF-8 are refused'],
    [CLAIMS, 'a lone surrogate in %s is refused'],
  ),
  yes(
    '§3.8',
    'issuer and subject are validated, and the key is that of the issuer',
    'a set of keys belongs to one issuer',
    [REMOTE, 'keep their own keys'],
    [CLAIMS, 'iss %j is not the issuer: nothing is trimmed'],
    ['broker/test/node/foreign/issuers.test.ts', 'a token of %s by the key of %s for the audience of %s: %i'],
  ),
  yes(
    '§3.9',
    'the audience is used and validated',
    'the audience is one string, compared exactly',
    [CLAIMS, '%s that is %s is refused'],
    [
      'dev/e2e/workers/several-workers.test.ts',
      'admits no ticket of another worker, though one key signs for both',
    ],
  ),
  yes(
    '§3.10',
    'claims are not trusted: no look-up by kid, jku or x5u',
    'a header has three members; a ticket with another member is refused before a fetch',
    [HEADER, '%s is refused, and nothing is fetched'],
    [REMOTE, 'costs one fetch per 30 s for made-up ones, one by one, and is never called unknown unproven'],
  ),
  yes(
    '§3.11',
    'explicit types',
    'tickets, commands, checkpoints and pushed events have a `typ` of their own, compared exactly',
    [KINDS, '%s is refused by its %s'],
    [HEADER, '%j is refused: only we sign and read tickets, so there is one spelling'],
  ),
  yes(
    '§3.12',
    'rules for kinds of JWT exclude each other',
    'audience and type differ for each kind that one key signs',
    [HEADER, '%s signed with a ticket key is refused'],
    ['agent-worker/test/control.test.ts', 'is refused at the gate: it is no ticket'],
    [FOREIGN, 'is refused in the header of the other platform'],
  ),
];
