"""Takes a message apart for peers that know no MIME.

usage: part.py content MESSAGE OUT    the first part of multipart/signed, octet for octet
       part.py cms MESSAGE OUT        the CMS object: the last base64 block, decoded
"""

import base64
import re
import sys


def content(octets):
    boundary = re.search(rb'boundary="?([^"\r\n;]+)', octets).group(1)
    start = octets.index(b"\r\n--" + boundary + b"\r\n") + len(boundary) + 6
    return octets[start : octets.index(b"\r\n--" + boundary, start)]


def cms(octets):
    blob = re.findall(rb"\r?\n\r?\n([A-Za-z0-9+/=\r\n]{100,}?)(?=\r?\n--|\s*\Z)", octets)[-1]
    return base64.b64decode(blob)


def main(what, message, out):
    with open(message, "rb") as file:
        octets = file.read()
    with open(out, "wb") as file:
        file.write({"content": content, "cms": cms}[what](octets))


main(*sys.argv[1:])
