import { CallbackId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { base64url } from 'jose';

/**
 * The token in the URL of a callback: `acb_v1.<key id>.<id>.<expiry>.<MAC>`. The MAC is an HMAC-SHA-256 over `v1`, audience,
 * agent, instance, name, id and expiry. The token does not contain the place where it is good: the verifier supplies it.
 */

/** The parameter of the URL that has the token. */
export const TOKEN_PARAMETER = 'callback_token';

/** Where a token is good, and for which callback. */
export interface CallbackPlace {
  readonly audience: string;
  readonly agent: string;
  readonly instance: string;
  /** Of the callback. */
  readonly name: string;
}

/** The bytes of the MAC, in its one spelling, are 43 characters of which the last has two unused bits (RFC 4648 §3.5). */
const TOKEN =
  /^acb_v1\.([A-Za-z0-9_-]{8})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([1-9]\d{9})\.([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$/;

const utf8 = new TextEncoder();

/** Texts and bytes in one encoding that is unambiguous: each after its length, in four bytes. */
export function lengthPrefixed(...parts: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const all = parts.map((part) => (typeof part === 'string' ? utf8.encode(part) : part));
  const bytes = new Uint8Array(all.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const part of all) {
    view.setUint32(at, part.length);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  return bytes;
}

const VERSION = 'v1';
const macInput = ({ audience, agent, instance, name }: CallbackPlace, id: string, exp: string) =>
  lengthPrefixed(VERSION, audience, agent, instance, name, id, exp);

/** Where the `state` of an OAuth flow is good: at the redirect of one MCP server, in the browser that began the flow. */
export interface StatePlace extends CallbackPlace {
  readonly serverId: string;
  /** Digest of the browser's cookie. */
  readonly browser: string;
}

const KEY_ID_CHARACTERS = 8;
/** `<key id and random>~<expiry>~<MAC>`, and behind a dot the SDK's id of the server. */
const STATE = /^([A-Za-z0-9_-]{30})~([1-9]\d{9})~([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])\.([^.]{1,128})$/;

const stateInput = (
  { audience, agent, instance, name, serverId, browser }: StatePlace,
  random: string,
  exp: string,
) => lengthPrefixed(`${VERSION} state`, audience, agent, instance, name, random, exp, serverId, browser);

interface MacKey {
  readonly keyId: string;
  readonly key: CryptoKey;
}

/** The id of a key: six bytes of a MAC, which reveal nothing about the key. No token is a MAC over this input. */
async function macKeyOf(secret: Uint8Array<ArrayBuffer>): Promise<MacKey> {
  const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, [
    'sign',
    'verify',
  ]);
  const name = await crypto.subtle.sign('HMAC', key, lengthPrefixed('key id'));
  return { keyId: base64url.encode(new Uint8Array(name, 0, 6)), key };
}

/** @param secrets the key that makes tokens, and after it the one from before its rotation. */
export function createCallbackTokens(secrets: readonly Uint8Array<ArrayBuffer>[]) {
  let imported: readonly MacKey[] | undefined;
  /** Requests share the keys, never a promise of another request, which the Workers runtime forbids. */
  async function keys(): Promise<readonly MacKey[]> {
    const known = imported ?? (await Promise.all(secrets.map(macKeyOf)));
    imported = known;
    return known;
  }
  async function sign(input: (keyId: string) => Uint8Array<ArrayBuffer>) {
    const [current] = await keys();
    if (current === undefined) return undefined;
    const { keyId, key } = current;
    const mac = await crypto.subtle.sign('HMAC', key, input(keyId));
    return { keyId, mac: base64url.encode(new Uint8Array(mac)) };
  }

  /** Verifies with the key that the token names, and with no other. */
  async function check(
    keyId: string,
    mac: string,
    input: Uint8Array<ArrayBuffer>,
  ): Promise<Outcome<undefined>> {
    const key = (await keys()).find((each) => each.keyId === keyId)?.key;
    if (key === undefined) return err('callback_token_invalid', { detail: 'unknown key' });
    const isOurs = await crypto.subtle.verify('HMAC', key, new Uint8Array(base64url.decode(mac)), input);
    return isOurs ? ok(undefined) : err('callback_token_invalid', { detail: 'MAC' });
  }

  return {
    /** A token that is good until `exp`, in seconds. `undefined` without a key. */
    async make(place: CallbackPlace, id: CallbackId, exp: number): Promise<string | undefined> {
      const signed = await sign(() => macInput(place, id, String(exp)));
      return signed && `acb_${VERSION}.${signed.keyId}.${id}.${exp}.${signed.mac}`;
    },

    /**
     * The id of a token that is good at a place: one spelling, the key that it names and no other, its MAC, its expiry. Does
     * NOT check revocations, nor that its instance made it: the object does.
     */
    async verify(token: string, place: CallbackPlace, nowSeconds: number): Promise<Outcome<CallbackId>> {
      const [, keyId, id = '', exp = '', mac = ''] = TOKEN.exec(token) ?? [];
      if (keyId === undefined) return err('callback_token_invalid', { detail: 'spelling' });
      const checked = await check(keyId, mac, macInput(place, id, exp));
      if (!checked.ok) return checked;
      // The worker set the expiry by its own clock, months ahead: no leeway.
      return Number(exp) <= nowSeconds ? err('callback_token_expired') : ok(CallbackId.parse(id));
    },

    /** The nonce of a `state` that one browser brings back until `exp`, in seconds. `undefined` without a key. */
    async makeNonce(place: StatePlace, exp: number): Promise<string | undefined> {
      const random = base64url.encode(crypto.getRandomValues(new Uint8Array(16)));
      const signed = await sign((keyId) => stateInput(place, keyId + random, String(exp)));
      return signed && `${signed.keyId}${random}~${exp}~${signed.mac}`;
    },

    /** Whether this worker made a `state` for this browser, as {@link verify} checks a token. */
    async verifyState(
      state: string,
      place: Omit<StatePlace, 'serverId'>,
      nowSeconds: number,
    ): Promise<Outcome<undefined>> {
      const [, random, exp = '', mac = '', serverId = ''] = STATE.exec(state) ?? [];
      if (random === undefined) return err('callback_token_invalid', { detail: 'spelling' });
      const input = stateInput({ ...place, serverId }, random, exp);
      const checked = await check(random.slice(0, KEY_ID_CHARACTERS), mac, input);
      if (!checked.ok) return checked;
      return Number(exp) <= nowSeconds ? err('callback_token_expired') : ok(undefined);
    },
  };
}
export type CallbackTokens = ReturnType<typeof createCallbackTokens>;
