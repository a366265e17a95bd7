"""Writes a copy of an S/MIME message, or of a bare CMS object, with one bit changed in a named place.

usage: damage.py MESSAGE OUT PLACE

PLACE is text (of a clear-signed message), content (of an opaque signed one), attribute (the
message digest among the signed attributes), signature, countersignature, ciphertext or tag.
Line ends, header fields and everything else stay as they are.
"""

import base64
import re
import sys

from der import Node, oid

MESSAGE_DIGEST = oid("1.2.840.113549.1.9.4")
COUNTERSIGNATURE = oid("1.2.840.113549.1.9.6")
BLOB = re.compile(rb"\r?\n\r?\n([A-Za-z0-9+/=\r\n]{100,}?)(?=\r?\n--|\s*\Z)")


def attribute(attributes, wanted):
    """The first value of an attribute."""
    for one in attributes.children:
        if one.children[0].raw == wanted:
            return one.children[1].children[0]
    raise SystemExit("the signer has no such attribute")


def place(content_info, name):
    """The element that is changed."""
    body = content_info.children[1].children[0]
    if name == "tag":
        return body.children[-1]
    if name == "ciphertext":
        encrypted = [one for one in body.children if one.tag == 0x30][-1]
        return encrypted.child(0x80, 0xA0).longest()
    if name == "content":
        return body.child(0x30).child(0xA0).children[0].longest()
    signer = body.children[-1].children[0]
    if name == "attribute":
        return attribute(signer.child(0xA0), MESSAGE_DIGEST)
    if name == "countersignature":
        signer = attribute(signer.child(0xA1), COUNTERSIGNATURE)
    return signer.child(0x04)


def change(cms, name):
    node = place(Node(bytes(cms)), name)
    # The last octet of a signature, digest or tag; the middle of what is long.
    at = (node.content + node.stop) // 2 if name in ("content", "ciphertext") else node.stop - 1
    cms[at] ^= 1


def main(message, out, name):
    with open(message, "rb") as file:
        octets = bytearray(file.read())
    if name == "text":
        # The first letter of the first part: after its header section.
        part = re.search(rb"\n--[^\r\n]+\r?\n", octets).start()
        octets[re.compile(rb"\r?\n\r?\n").search(octets, part).end()] ^= 0x20
    elif octets[0] == 0x30:
        change(octets, name)
    else:
        blob = list(BLOB.finditer(octets))[-1]
        cms = bytearray(base64.b64decode(blob.group(1)))
        change(cms, name)
        lines = base64.b64encode(cms)
        lines = b"\r\n".join(lines[i : i + 64] for i in range(0, len(lines), 64))
        octets[blob.start(1) : blob.end(1)] = lines
    with open(out, "wb") as file:
        file.write(octets)


main(*sys.argv[1:])
