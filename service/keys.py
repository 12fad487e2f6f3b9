"""Keys: `python -m service.keys NAME` makes one, and prints it once with the setting that admits it.

A key is 256 random bits. The service keeps its plain SHA-256: a slow or salted hash defends passwords, of which there
are dictionaries; nobody can try 2^256 keys, and a slow hash would cost every request.
"""

import hashlib
import json
import secrets
import sys

KEY_BYTES = 32
PREFIX = "axon_"  # so that people, and scanners for secrets, know what they have found
SCHEME = "sha256:"


def make() -> str:
    """A new key of 48 letters, digits, `-` and `_`, 256 bits of them random."""
    return PREFIX + secrets.token_urlsafe(KEY_BYTES)


def digest(key: bytes) -> bytes:
    """The SHA-256 of a key, 32 bytes."""
    return hashlib.sha256(key).digest()


def hash_line(key: str) -> str:
    """How a setting writes the hash of a key."""
    return SCHEME + digest(key.encode()).hex()


def main() -> None:
    """Prints a new key and its hash. The key is kept nowhere."""
    name = sys.argv[1] if len(sys.argv) > 1 else "NAME"
    key = make()
    setting = json.dumps({name: hash_line(key)}, ensure_ascii=False)
    sys.stdout.write(f"the key, for the client: {key}\nfor the service: AXON_ACCESS__KEYS={setting}\n")


if __name__ == "__main__":
    main()
