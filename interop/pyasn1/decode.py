"""Decodes the SignedData in a CMS object with pyasn1-alt-modules: every attribute must be of a known
type, decode with nothing left over, and encode again to the same octets. One line for each attribute.

usage: decode.py CMS [WANTED...]     exit 1 when a wanted attribute is not there
"""

import re
import sys

from pyasn1.codec.der.decoder import decode
from pyasn1.codec.der.encoder import encode
from pyasn1.type import univ
from pyasn1_alt_modules import rfc2634, rfc5035, rfc5652, rfc6211

# What is signed, by name: how to decode it, and how to tell it.
KNOWN = {
    rfc5652.id_contentType: ("content-type", rfc5652.ContentType(), str),
    rfc5652.id_messageDigest: ("message-digest", rfc5652.MessageDigest(), lambda v: bytes(v).hex()),
    rfc5652.id_signingTime: ("signing-time", rfc5652.SigningTime(), lambda v: str(v.getComponent())),
    rfc5652.id_countersignature: ("countersignature", rfc5652.SignerInfo(), lambda v: f"version {v['version']}"),
    rfc6211.id_aa_cmsAlgorithmProtect: (
        "algorithm-protection",
        rfc6211.CMSAlgorithmProtection(),
        lambda v: str(v["digestAlgorithm"]["algorithm"]),
    ),
    rfc5035.id_aa_signingCertificateV2: (
        "signing-certificate-v2",
        rfc5035.SigningCertificateV2(),
        lambda v: [bytes(one["certHash"]).hex() for one in v["certs"]],
    ),
    rfc2634.id_aa_securityLabel: ("label", rfc2634.ESSSecurityLabel(), lambda v: label(v)),
    rfc2634.id_aa_equivalentLabels: ("equivalent-labels", rfc2634.EquivalentLabels(), lambda v: [label(one) for one in v]),
    rfc2634.id_aa_receiptRequest: (
        "receipt-request",
        rfc2634.ReceiptRequest(),
        lambda v: (v["receiptsFrom"].getName(), [str(name["rfc822Name"]) for names in v["receiptsTo"] for name in names]),
    ),
    rfc2634.id_aa_msgSigDigest: ("message-signature-digest", rfc2634.MsgSigDigest(), lambda v: bytes(v).hex()),
    rfc2634.id_aa_contentHint: ("content-hints", rfc2634.ContentHints(), lambda v: str(v["contentType"])),
    rfc2634.id_aa_contentIdentifier: ("content-identifier", rfc2634.ContentIdentifier(), lambda v: bytes(v).hex()),
    rfc2634.id_aa_contentReference: ("content-reference", rfc2634.ContentReference(), lambda v: str(v["contentType"])),
    rfc2634.id_aa_mlExpandHistory: ("ml-expansion-history", rfc2634.MLExpansionHistory(), lambda v: len(v)),
    # RFC 3183 section 3: SEQUENCE OF OBJECT IDENTIFIER
    univ.ObjectIdentifier("1.2.840.113549.1.9.16.2.28"): (
        "signature-type",
        univ.SequenceOf(componentType=univ.ObjectIdentifier()),
        lambda v: [str(one) for one in v],
    ),
    # RFC 7508 section 4: a sequence whose members pyasn1-alt-modules has no module for.
    univ.ObjectIdentifier("1.2.840.113549.1.9.16.2.55"): ("secure-headers", None, lambda v: type(v).__name__),
    # RFC 8551 section 2.5.2
    univ.ObjectIdentifier("1.2.840.113549.1.9.15"): ("smime-capabilities", None, lambda v: len(v)),
    univ.ObjectIdentifier("1.2.840.113549.1.9.16.2.11"): ("encryption-key-preference", None, lambda v: type(v).__name__),
}


def label(value):
    mark = value["privacy-mark"]
    return (
        str(value["security-policy-identifier"]),
        int(value["security-classification"]) if value["security-classification"].isValue else None,
        str(mark.getComponent()) if mark.isValue else None,
        [(str(one["type"]), bytes(one["value"]).hex()) for one in value["security-categories"]]
        if value["security-categories"].isValue
        else [],
    )


def whole(octets, spec=None):
    value, rest = decode(octets, asn1Spec=spec) if spec is not None else decode(octets)
    assert not rest, "octets left over"
    again = encode(value)
    # A category's value is [1] EXPLICIT ANY; pyasn1 reads it right, but writes its tag primitive.
    if again != octets and spec is not None and "abel" in type(spec).__name__:
        again = re.sub(rb"\x81(.)\x30", lambda found: b"\xa1" + found[1] + b"\x30", again, flags=re.DOTALL)
    assert again == octets, f"not DER: {octets.hex()}, not {again.hex()}"
    return value


def attributes(signer, path):
    found = set()
    for kind in ("signedAttrs", "unsignedAttrs"):
        if not signer[kind].isValue:
            continue
        # RFC 5652 section 5.3: a SET OF in DER is in the order of its octets.
        encoded = [encode(one) for one in signer[kind]]
        assert encoded == sorted(encoded), f"{kind} is not in DER order"
        for attribute in signer[kind]:
            name, spec, tell = KNOWN[attribute["attrType"]]
            for octets in attribute["attrValues"]:
                value = whole(bytes(octets), spec)
                print(f"{path}{kind}: {name}: {tell(value)}")
                found.add(name)
                if name == "countersignature":
                    inner = attributes(value, path + "  ")
                    assert "content-type" not in inner, "content-type in a countersignature"
    return found


def main(path, *wanted):
    with open(path, "rb") as file:
        octets = file.read()
    info, rest = decode(octets, asn1Spec=rfc5652.ContentInfo())
    assert not rest and info["contentType"] == rfc5652.id_signedData
    signed = whole(bytes(info["content"]), rfc5652.SignedData())
    found = set()
    for signer in signed["signerInfos"]:
        found |= attributes(signer, "")
    missing = set(wanted) - found
    if missing or not found:
        raise SystemExit(f"not there: {', '.join(sorted(missing)) or 'any attribute'}")


main(*sys.argv[1:])
