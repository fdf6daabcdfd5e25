#!/usr/bin/env python3
"""usage: audit_verify.py EXPORT KEYS [ANCHOR]

Verifies an unfiltered export of the audit log as audit-export.md describes it, by the saved /.well-known/audit-jwks.json and
a file with the JWS of a checkpoint that was kept elsewhere. Prints a JSON object. It proves nothing of events before "from";
"purged_through" says which of them the log itself says were purged. Exits with 0 when the export is sound, 1 when not, 2
when it cannot tell. Needs Python 3.11 and the package cryptography (Debian: python3-cryptography).
"""
import base64, datetime, hashlib, json, math, re, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.hashes import SHA256
TYPE, MAX_DEPTH, LEAST = "agent-audit-checkpoint+jwt", 16, {"iat": 0, "n": 1, "through": 0, "count": 0}

def refuse(text):
    raise ValueError(text)

def members(pairs):
    return dict(pairs) if len(dict(pairs)) == len(pairs) else refuse("a member is there twice")

def parse(text):
    """A JSON text; every number is a double, as in JavaScript."""
    return json.loads(text, object_pairs_hook=members, parse_int=float, parse_float=float, parse_constant=refuse)

def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)

def whole(value, least):
    return isinstance(value, float) and value.is_integer() and least <= value <= 2**53 - 1

def number(value):
    """RFC 8785, 3.2.2.3: a double as ECMAScript writes it."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else refuse("no canonical form")
    sign, (mantissa, _, exponent) = "-" if value < 0 else "", repr(abs(value)).partition("e")
    before, _, after = mantissa.partition(".")
    digits, point = before + after, len(before) + int(exponent or 0)
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    if 0 < point <= 21:
        return sign + digits[:point].ljust(point, "0") + ("." + digits[point:] if len(digits) > point else "")
    scientific = ".".join(filter(None, (digits[0], digits[1:]))) + f"e{point - 1:+d}"
    return sign + ("0." + "0" * -point + digits if -6 < point <= 0 else scientific)

def canonical(value):
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    return json.dumps(value, ensure_ascii=False)

def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
def decode(text):
    """base64url in its one canonical spelling."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return data if data and encode(data) == text else refuse("not canonical base64url")

def head_after(head, events):
    """The head after a run of events; None where one has no canonical form."""
    try:
        for event in events:
            head = encode(hashlib.sha256(decode(head) + canonical(event).encode()).digest())
        return head
    except ValueError:
        return None

def read_keys(text):
    keys = {}
    for key in json.loads(text)["keys"]:
        names = key.get("kty"), key.get("crv"), key.get("alg")
        if names == ("EC", "P-256", "ES256"):
            x, y = (int.from_bytes(decode(key[name]), "big") for name in "xy")
            keys.setdefault(key["kid"], ("ES256", ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()))
        elif names == ("OKP", "Ed25519", "Ed25519"):
            keys.setdefault(key["kid"], ("Ed25519", ed25519.Ed25519PublicKey.from_public_bytes(decode(key["x"]))))
    return keys or refuse("no audit key")

def read_checkpoint(jws, keys):
    """The claims and the kid; None unless one of the keys signed it."""
    try:
        header, payload, signature = map(decode, jws.split("."))
        head, claims, signed = parse(header.decode()), parse(payload.decode()), jws.rpartition(".")[0].encode()
        alg, key = keys[head["kid"]]
        if len(jws) > 2048 or head != {"alg": alg, "typ": TYPE, "kid": head["kid"]}:
            return None
        if alg == "ES256":
            r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
            key.verify(utils.encode_dss_signature(r, s) if len(signature) == 64 else b"", signed, ec.ECDSA(SHA256()))
        else:
            key.verify(signature, signed)
        good = set(claims) == {"iss", "previous", "hash", *LEAST} and isinstance(claims["iss"], str)
        good = good and all(whole(claims[name], least) for name, least in LEAST.items())
        good = good and all(re.fullmatch(r"[A-Za-z0-9_-]{43}", claims[name]) for name in ("previous", "hash"))
        return (claims, head["kid"]) if good else None
    except (ValueError, KeyError, TypeError, RecursionError, InvalidSignature):
        return None

def read_line(raw):
    line = parse(raw.decode()) if raw[:1] + raw[-1:] == b"{}" else refuse("not one JSON object alone")
    ((kind, value),) = line.items() if depth(line) <= MAX_DEPTH else ()
    good = {"event": whole(value.get("seq"), 1), "checkpoint": whole(value.get("n"), 1) and isinstance(value.get("jws"), str)}
    lost = f"the archive has lost segment {value.get('name')!r}"
    return (kind, value) if good.get(kind) else refuse(lost if kind == "segment" else "neither an event nor a checkpoint")

def purged_through(event):
    """Up to which event an event says that the log was purged; 0 where it says nothing of that."""
    through = event.get("type") == "audit.purged" and isinstance(event.get("details"), dict) and event["details"].get("through")
    return int(through) if whole(through, 0) else 0

def clear_agrees(clear, claims, kid):
    """Whether the clear members of a line repeat what its checkpoint signed, and nothing else."""
    signed = {"jws": clear["jws"], "kid": kid, "at": clear.get("at"), **{name: claims[name] for name in ("n", "through", "count", "hash")}}
    try:
        seconds = datetime.datetime.fromisoformat(clear["at"]).timestamp() if "at" in clear else claims["iat"]
    except (ValueError, TypeError):
        return False
    return math.floor(seconds) == claims["iat"] and all(
        name in signed and type(value) is type(signed[name]) and value == signed[name] for name, value in clear.items()
    )

class Export:
    def __init__(self, keys, anchor):
        self.keys, self.anchor, self.anchored, self.last = keys, anchor, False, {"n": 0, "hash": encode(bytes(32)), "through": 0}
        self.faults = {"content": [], "order": [], "gaps": [], "tail": []}
        # Events that no checkpoint has covered yet; the number before the first one; the greatest number so far.
        self.waiting, self.base, self.reached, self.kinds, self.purged = {}, None, 0, set(), 0
    def note(self, kind, text):
        self.faults[kind].append(text)
    def event(self, value):
        seq = int(value["seq"])
        if seq != self.reached + 1:
            self.note("order" if seq <= self.reached else "gaps", f"event {seq} follows event {self.reached}")
        self.base = seq - 1 if self.base is None else self.base
        self.reached = max(self.reached, seq)
        self.waiting.setdefault(seq, value)
    def run(self, after, through):
        found = [self.waiting.get(seq) for seq in range(int(after) + 1, int(through) + 1)]
        return None if None in found else found
    def checkpoint(self, value):
        claims, kid = read_checkpoint(value["jws"], self.keys) or ({"n": None}, None)
        n, last = claims["n"], self.last
        if n != value["n"]:
            return self.note("content", f"checkpoint {value['n']:.0f} is not signed by any of the keys")
        if not clear_agrees(value, claims, kid):
            self.note("content", f"checkpoint {n:.0f} says in clear what it did not sign")
        self.anchored = self.anchored or self.anchor is not None and self.anchor["n"] == n
        if self.anchor is not None and self.anchor["n"] == n and self.anchor["hash"] != claims["hash"]:
            self.note("tail", f"checkpoint {n:.0f} is another one than the anchor")
        if n <= last["n"]:
            return claims == last or self.note("order", f"checkpoint {n:.0f} comes late, or twice")
        if (last["n"] > 0 or self.base == 0) and (n != last["n"] + 1 or claims["previous"] != last["hash"]):
            self.note("gaps" if n > last["n"] + 1 else "content", f"checkpoint {n:.0f} does not follow the one before it")
        self.last, through = claims, int(claims["through"])
        if self.base is None:
            self.base = self.reached = through
        if through > self.reached:
            self.note("gaps", f"events are missing up to {through}")
        self.reached = max(self.reached, through)
        run = self.run(through - claims["count"], through)
        if run is not None and head_after(claims["previous"], run) != claims["hash"]:
            self.note("content", f"events up to {through} are not what checkpoint {n:.0f} signed")
        self.purged = max([self.purged, *map(purged_through, run or ())])
        self.waiting = {seq: event for seq, event in self.waiting.items() if seq > through}
    def close(self):
        proven, anchor = self.last["through"], self.anchor
        if anchor is not None and not self.anchored:
            run = self.run(proven, anchor["through"]) if self.last["n"] <= anchor["n"] else None
            self.anchored = run is not None and head_after(self.last["hash"], run) == anchor["hash"]
            proven = anchor["through"] if self.anchored else self.note("tail", "the end is not that of the anchor") or proven
        if not self.kinds or ("event" in self.kinds and proven <= (self.base or 0)):
            self.note("content", "no event in it is covered by a checkpoint that one of the keys signed")
        limits = {"from": (self.base or 0) + 1, "purged_through": self.purged, "proven_through": int(proven)}
        return {"sound": not any(self.faults.values()), **self.faults, **limits, "anchored": self.anchored}

def verify(lines, keys, anchor=None):
    export = Export(keys, anchor)
    for place, raw in enumerate(lines, 1):
        try:
            kind, value = read_line(raw.removesuffix(b"\n"))
        except (ValueError, AttributeError, RecursionError) as error:
            export.note("content", f"line {place}: {error}")
            continue
        export.kinds.add(kind)
        (export.event if kind == "event" else export.checkpoint)(value)
    return export.close()

def main(words):
    try:
        with open(words[1], encoding="utf-8") as keys, open(words[0], "rb") as lines:
            keys, anchor = read_keys(keys.read()), None
            if len(words) > 2:
                with open(words[2], encoding="utf-8") as file:
                    anchor, _ = read_checkpoint(file.read().strip(), keys) or refuse("no key has signed the anchor")
            result = verify(lines, keys, anchor)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        print(f"{__doc__}\ncannot verify: {error}", file=sys.stderr)
        return 2
    print(json.dumps(result))
    return 0 if result["sound"] else 1

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
