"""Checks an audit chain: each line's hash is the SHA-384 of the line without its hash member, prev
is the hash of the line before, seq counts from 1.

usage: chain.py FILE
"""

import hashlib
import json
import re
import sys

previous = "0" * 96
with open(sys.argv[1], "rb") as file:
    for number, line in enumerate(file, 1):
        record = json.loads(line)
        bare = re.sub(rb',"hash":"[0-9a-f]{96}"}\n$', b"}", line)
        if bare == line or hashlib.sha384(bare).hexdigest() != record["hash"]:
            sys.exit(f"line {number}: the hash is not the line's")
        if record["prev"] != previous or record["seq"] != number:
            sys.exit(f"line {number}: does not follow the line before")
        previous = record["hash"]
print(f"{number} records")
