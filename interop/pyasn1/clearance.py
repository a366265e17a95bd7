"""Makes clearances with pyasn1-alt-modules: the octets of extensions, and an attribute certificate.

usage: clearance.py attributes CLASSES...        the value of subjectDirectoryAttributes, in hexadecimal
       clearance.py constraints CLASSES [...]    the value of authority clearance constraints
       clearance.py certificate HOLDER ISSUER KEY OUT CLASSES    an attribute certificate in DER
CLASSES are numbers joined by commas; HOLDER and ISSUER are certificates in PEM. `openssl` signs.
"""

import datetime
import subprocess
import sys
import tempfile

from pyasn1.codec.der.decoder import decode
from pyasn1.codec.der.encoder import encode
from pyasn1.type import tag, univ, useful
from pyasn1_alt_modules import rfc5280, rfc5755, rfc5913

ALDER = "1.3.6.1.4.1.32473.1.1"
ECDSA_WITH_SHA384 = "1.2.840.10045.4.3.3"
NO_REV_AVAIL = "2.5.29.56"


def clearance(classes):
    made = rfc5755.Clearance()
    made["policyId"] = ALDER
    numbers = [int(one) for one in classes.split(",")]
    made["classList"] = "".join("1" if at in numbers else "0" for at in range(max(numbers) + 1))
    return made


def attribute(value):
    made = rfc5280.Attribute()
    made["type"] = rfc5755.id_at_clearance
    made["values"][0] = encode(value)
    return made


def attributes(all_classes):
    made = rfc5280.SubjectDirectoryAttributes()
    for at, classes in enumerate(all_classes):
        made[at] = attribute(clearance(classes))
    return encode(made)


def constraints(all_classes):
    made = rfc5913.AuthorityClearanceConstraints()
    for at, classes in enumerate(all_classes):
        made[at] = clearance(classes)
    return encode(made)


def certificate(path):
    der = subprocess.run(["openssl", "x509", "-in", path, "-outform", "DER"], check=True, capture_output=True).stdout
    return decode(der, asn1Spec=rfc5280.Certificate())[0]["tbsCertificate"]


def attribute_certificate(holder, issuer, key, out, classes):
    holder, issuer = certificate(holder), certificate(issuer)
    info = rfc5755.AttributeCertificateInfo()
    info["version"] = 1
    base = info["holder"]["baseCertificateID"]
    base["issuer"][0]["directoryName"] = name(holder["issuer"])
    base["serial"] = int(holder["serialNumber"])
    info["issuer"]["v2Form"]["issuerName"][0]["directoryName"] = name(issuer["subject"])
    info["signature"]["algorithm"] = ECDSA_WITH_SHA384
    info["serialNumber"] = 4711
    now = datetime.datetime.now(datetime.timezone.utc)
    for field, hours in (("notBeforeTime", -1), ("notAfterTime", 24)):
        at = (now + datetime.timedelta(hours=hours)).strftime("%Y%m%d%H%M%SZ")
        info["attrCertValidityPeriod"][field] = useful.GeneralizedTime(at)
    info["attributes"][0] = attribute(clearance(classes))
    info["extensions"][0]["extnID"] = NO_REV_AVAIL
    info["extensions"][0]["extnValue"] = encode(univ.Null(""))
    with tempfile.NamedTemporaryFile() as signed:
        signed.write(encode(info))
        signed.flush()
        command = ["openssl", "dgst", "-sha384", "-sign", key, signed.name]
        signature = subprocess.run(command, check=True, capture_output=True).stdout
    made = rfc5755.AttributeCertificate()
    made["acinfo"] = info
    made["signatureAlgorithm"]["algorithm"] = ECDSA_WITH_SHA384
    made["signatureValue"] = univ.BitString.fromOctetString(signature)
    with open(out, "wb") as file:
        file.write(encode(made))


def name(value):
    """A name as a GeneralName holds it: under the explicit tag [4]."""
    explicit = tag.Tag(tag.tagClassContext, tag.tagFormatConstructed, 4)
    made = rfc5280.Name().subtype(explicitTag=explicit)
    made["rdnSequence"] = value["rdnSequence"]
    return made


def main(what, *rest):
    if what == "certificate":
        attribute_certificate(*rest)
    else:
        print({"attributes": attributes, "constraints": constraints}[what](rest).hex())


main(*sys.argv[1:])
