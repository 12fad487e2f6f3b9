import hashlib
import json
import re
import subprocess
import sys

from service import keys
from service.settings import Access
from tests.servers import REPOSITORY


def test_keys_are_long_random_and_recognisable() -> None:
    made = {keys.make() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"axon_[A-Za-z0-9_-]{43}", key) for key in made)


def test_a_hash_is_the_sha_256_of_the_key() -> None:
    assert keys.hash_line("abc") == "sha256:" + hashlib.sha256(b"abc").hexdigest()


def test_the_command_prints_a_key_and_the_setting_that_admits_it() -> None:
    command = [sys.executable, "-m", "service.keys", "mobile"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    key = re.search(r"axon_[\w-]+", done.stdout)[0]
    setting = done.stdout.partition("AXON_ACCESS__KEYS=")[2]
    assert Access(keys=json.loads(setting)).keys == {"mobile": keys.hash_line(key)}
    assert done.stderr == ""


def test_what_holds_hashes_does_not_show_them() -> None:
    text = keys.hash_line(keys.make())
    assert text not in repr(Access(keys={"mobile": text}, management_keys={"operator": text}))
