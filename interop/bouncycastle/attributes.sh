# Sourced by bouncycastle/run: attribute certificates that Bouncy Castle makes, as `ravelin subject
# examine` judges them. The demo's clerk gives them, about the demo's reader.
_given() { # NAME HOLDER TARGET...
    local name=$1 holder=$2
    shift 2
    "$RAVELIN" subject examine "$ALDER/$holder.pem" --anchor "$ALDER/ca.pem" --crl "$ALDER/ca.crl.pem" --policy "$DEMO/config/alder.xml" \
        --attribute-certificate "attributes/$name" --attribute-authority "$ALDER/clerk.pem" --format json "$@" >given.json || { cat given.json; return 1; }
    cat given.json
    grep -q '"clearance": "ALDER: UNCLASSIFIED, RESTRICTED, CONFIDENTIAL, SECRET"' given.json
}

attributes() {
    mkdir -p attributes
    passes "Attributes writes its attribute certificates" "$THEIRS" java -cp "$JARS:classes" Attributes "$ALDER" attributes || return
    passes "attribute certificate by bcpkix, PEM" "$THEIRS" _given base.ac reader
    passes "attribute certificate by bcpkix, DER" "$THEIRS" _given base.ac.der reader
    passes "attribute certificate, holder by name" "$THEIRS" _given named.ac reader
    passes "attribute certificate for this switch" "$THEIRS" _given ours.ac reader --target switch.alder.example
    refuses "attribute certificate for another switch" "$THEIRS" 'targeted at others' _given others.ac reader --target switch.alder.example
    refuses "attribute certificate of another holder" "$THEIRS" 'not about the holder' _given base.ac officer
    refuses "attribute certificate that is expired" "$THEIRS" 'expired on' _given expired.ac reader
    refuses "attribute certificate with a critical extension" "$THEIRS" 'critical extension .* is not understood' _given critical.ac reader
    python3 - <<'END'
octets = bytearray(open("attributes/base.ac.der", "rb").read())
at = octets.index(bytes.fromhex("03020378"))
octets[at + 3] = 0x70
open("attributes/changed.ac", "wb").write(octets)
END
    refuses "attribute certificate, clearance changed" "$THEIRS" 'signature is not good' _given changed.ac reader
}
