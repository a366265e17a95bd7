"""Checks an audit chain: each line's hash is the SHA-384 of the line without its hash member, prev
is the hash of the line before, seq counts from 1. With a certificate, as a third party who has
nothing but that and the file: each checkpoint is signed by it (`openssl cms`), over the head that
it names, and the last record is under a signature or is one.

usage: chain.py FILE [CERTIFICATE]
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

certificate = sys.argv[2] if len(sys.argv) > 2 else None
previous = "0" * 96
hashes = [previous]
signed = checkpoints = 0


def is_signed(text, signature):
    """Only the certificate that was given counts: not one that the signature brings along."""
    with tempfile.TemporaryDirectory() as folder:
        content, cms = Path(folder, "content"), Path(folder, "cms")
        content.write_bytes(text)
        cms.write_bytes(signature)
        command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", cms, "-content", content]
        command += ["-noverify", "-nointern", "-certfile", certificate, "-out", "/dev/null"]
        return subprocess.run(command, capture_output=True).returncode == 0


with open(sys.argv[1], "rb") as file:
    for number, line in enumerate(file, 1):
        record = json.loads(line)
        bare = re.sub(rb',"hash":"[0-9a-f]{96}"}\n$', b"}", line)
        if bare == line or hashlib.sha384(bare).hexdigest() != record["hash"]:
            sys.exit(f"line {number}: the hash is not the line's")
        if record["prev"] != previous or record["seq"] != number:
            sys.exit(f"line {number}: does not follow the line before")
        previous = record["hash"]
        hashes.append(previous)
        if certificate is None or record["act"] != "checkpoint":
            continue
        said = record["details"]
        text = {"switch": said["switch"], "records": int(said["records"]), "head": said["head"], "at": record["at"]}
        text = json.dumps(text, separators=(",", ":"), ensure_ascii=False).encode()
        if hashes[int(said["records"])] != said["head"]:
            sys.exit(f"line {number}: the checkpoint names another head")
        if not is_signed(text, base64.b64decode(said["signature"])):
            sys.exit(f"line {number}: the checkpoint is not signed by this certificate")
        checkpoints, signed = checkpoints + 1, int(said["records"])
if certificate and signed + 1 < number:
    sys.exit(f"line {signed + 2}: nobody signed from here on")
print(f"{number} records" + (f", {signed} of them signed by {checkpoints} checkpoints" if certificate else ""))
