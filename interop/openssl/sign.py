"""Makes a labelled S/MIME message: OpenSSL does every digest and signature, and the SignedData
around them is built here, because `openssl cms` cannot add a label attribute.

usage: sign.py --signer CERT --key KEY --from ADDRESS --to A,B --text FILE --out MESSAGE [...]
"""

import argparse
import base64
import datetime
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from der import Node, integer, octets, oid, sequence, set_of, tlv  # noqa: E402

POLICY = "1.3.6.1.4.1.32473.1.1"
RELEASABLE_TO = "1.3.6.1.4.1.32473.1.1.1"
ENUMERATED_PERMISSIVE = "2.16.840.1.101.2.1.8.3.1"
SHA384 = sequence(oid("2.16.840.1.101.3.4.2.2"))
DATA = oid("1.2.840.113549.1.7.1")
# RFC 4056: the salt is as long as the digest.
PSS = sequence(
    tlv(0xA0, SHA384),
    tlv(0xA1, sequence(oid("1.2.840.113549.1.1.8"), SHA384)),
    tlv(0xA2, integer(48)),
)
SCHEMES = {
    "ecdsa": (sequence(oid("1.2.840.10045.4.3.3")), []),
    "pkcs1": (sequence(oid("1.2.840.113549.1.1.12"), tlv(0x05)), []),
    "pss": (
        sequence(oid("1.2.840.113549.1.1.10"), PSS),
        ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:48"],
    ),
}


def openssl(*arguments, given):
    return subprocess.run(
        ["openssl", *arguments], input=given, stdout=subprocess.PIPE, check=True
    ).stdout


def attribute(kind, value):
    return sequence(oid(kind), set_of(value))


def label(classification, releasable_to):
    """ESSSecurityLabel (RFC 2634 section 3.2): a SET, in the order of its tags."""
    categories = b""
    if releasable_to:
        values = set_of(*[integer(int(value)) for value in releasable_to.split(",")])
        tags = sequence(oid(RELEASABLE_TO), values)
        kind = tlv(0x80, Node(oid(ENUMERATED_PERMISSIVE)).value)
        categories = set_of(sequence(kind, tlv(0xA1, tags)))
    return tlv(0x31, integer(classification), oid(POLICY), categories)


def signer_info(options, certificate, content):
    tbs = Node(certificate).children[0].children
    serial, issuer = tbs[1].raw, tbs[3].raw
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%y%m%d%H%M%SZ").encode()
    digest = openssl("dgst", "-sha384", "-binary", given=content)
    certificate_digest = openssl("dgst", "-sha384", "-binary", given=certificate)
    attributes = [
        attribute("1.2.840.113549.1.9.3", DATA),
        attribute("1.2.840.113549.1.9.5", tlv(0x17, now)),
        attribute("1.2.840.113549.1.9.4", octets(digest)),
        # signingCertificateV2 (RFC 5035)
        attribute(
            "1.2.840.113549.1.9.16.2.47",
            sequence(sequence(sequence(SHA384, octets(certificate_digest)))),
        ),
    ]
    if options.classification is not None:
        value = label(options.classification, options.releasable_to)
        attributes.append(attribute("1.2.840.113549.1.9.16.2.2", value))
    signed = set_of(*attributes)
    algorithm, extra = SCHEMES[options.scheme]
    signature = openssl("dgst", "-sha384", "-sign", options.key, *extra, given=signed)
    return sequence(
        integer(1),
        sequence(issuer, serial),
        SHA384,
        b"\xa0" + signed[1:],
        algorithm,
        octets(signature),
    )


def indefinite(tag, *parts):
    return bytes([tag, 0x80]) + b"".join(parts) + b"\0\0"


def content_info(options, content):
    certificate = openssl("x509", "-in", options.signer, "-outform", "DER", given=b"")
    info = signer_info(options, certificate, content)
    rest = [tlv(0xA0, certificate), set_of(info)]
    if options.ber:
        # As a streaming writer does: no length known, the content in pieces.
        pieces = [octets(content[at : at + 40]) for at in range(0, len(content), 40)]
        inside = indefinite(0xA0, indefinite(0x24, *pieces))
        signed = [integer(1), set_of(SHA384), indefinite(0x30, DATA, inside), *rest]
        outer = indefinite(0xA0, indefinite(0x30, *signed))
        return indefinite(0x30, oid("1.2.840.113549.1.7.2"), outer)
    inside = tlv(0xA0, octets(content)) if options.form == "opaque" else b""
    signed = sequence(integer(1), set_of(SHA384), sequence(DATA, inside), *rest)
    return sequence(oid("1.2.840.113549.1.7.2"), tlv(0xA0, signed))


def main():
    parser = argparse.ArgumentParser()
    for name in ("signer", "key", "from", "to", "text", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--classification", type=int)
    parser.add_argument("--releasable-to", help="values of the tag set, parted by commas")
    parser.add_argument("--scheme", choices=SCHEMES, default="ecdsa")
    parser.add_argument("--form", choices=("clear", "opaque"), default="clear")
    parser.add_argument("--ber", action="store_true", help="indefinite lengths; opaque only")
    parser.add_argument("--entity", action="store_true", help="only the MIME entity, to encrypt")
    options = parser.parse_args()
    if options.ber and options.form != "opaque":
        parser.error("--ber goes with --form opaque")
    with open(options.text, "rb") as file:
        text = file.read()
    content = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + text
    blob = base64.b64encode(content_info(options, content))
    blob = b"\r\n".join(blob[at : at + 64] for at in range(0, len(blob), 64))
    head = (
        f"From: {getattr(options, 'from')}\r\nTo: {options.to}\r\nSubject: interop\r\n"
        f"Date: {datetime.datetime.now(datetime.timezone.utc):%a, %d %b %Y %H:%M:%S +0000}\r\n"
        f"Message-ID: <{os.urandom(8).hex()}@interop.example>\r\nMIME-Version: 1.0\r\n"
    ).encode()
    if options.form == "clear":
        entity = (
            b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n'
            b' micalg="sha-384"; boundary="=_interop"\r\n\r\n--=_interop\r\n' + content
            + b"\r\n--=_interop\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + blob + b"\r\n--=_interop--\r\n"
        )
    else:
        entity = (
            b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + blob + b"\r\n"
        )
    with open(options.out, "wb") as file:
        file.write(entity if options.entity else head + entity)


main()
