# Sourced by pyasn1/run: clearances that pyasn1 writes, in certificates that OpenSSL signs, and attribute
# certificates, as `ravelin subject examine` reads them.
_maker() { python3 "$INTEROP/pyasn1/clearance.py" "$@"; }

# issue NAME ISSUER EXTENSION...: a P-384 certificate; ISSUER is - for a self-signed one.
_issue() {
    local name=$1 issuer=$2
    shift 2
    printf '%s\n' "$@" >"$name.ext"
    openssl ecparam -name secp384r1 -genkey -noout -out "$name.key" && openssl req -new -key "$name.key" -subj "/O=ALDER/CN=$name" -out "$name.csr" || return
    if [[ $issuer = - ]]; then
        openssl x509 -req -in "$name.csr" -signkey "$name.key" -sha384 -days 10 -extfile "$name.ext" -out "$name.pem"
    else
        openssl x509 -req -in "$name.csr" -CA "$issuer.pem" -CAkey "$issuer.key" -sha384 -days 10 \
            -set_serial "0x$(openssl rand -hex 15 | sed 's/^./1/')" -extfile "$name.ext" -out "$name.pem"
    fi
}

_pki() {
    local ca=(basicConstraints=critical,CA:TRUE keyUsage=critical,keyCertSign,cRLSign) own=(basicConstraints=CA:FALSE keyUsage=critical,digitalSignature)
    local secret restricted
    secret=$(_maker attributes 1,2,3,4) && restricted=$(_maker constraints 1,2) && twice=$(_maker constraints 1,2 3) || return
    _issue root - "${ca[@]}" && _issue narrow root "${ca[@]}" "1.3.6.1.5.5.7.1.21=critical,DER:$restricted" &&
        _issue wrong root "${ca[@]}" "1.3.6.1.5.5.7.1.21=DER:$twice" && _issue aa root "${own[@]}" &&
        _issue free root "${own[@]}" "2.5.29.9=DER:$secret" && _issue bound narrow "${own[@]}" "2.5.29.9=DER:$secret" &&
        _issue below-wrong wrong "${own[@]}" "2.5.29.9=DER:$secret" &&
        _issue two root "${own[@]}" "2.5.29.9=DER:$(_maker attributes 1 2)" && _issue plain root "${own[@]}" &&
        _maker certificate plain.pem aa.pem aa.key plain.ac 1,2,3
}

_examined() { # CERT WANTED-CLEARANCE OPTION...
    local certificate=$1 wanted=$2
    shift 2
    "$RAVELIN" subject examine "$certificate.pem" --anchor root.pem --intermediates narrow.pem wrong.pem \
        --policy "$DEMO/config/alder.xml" --format json "$@" >examined.json || { cat examined.json; return 1; }
    python3 -c 'import json, sys
said = json.load(open("examined.json"))
print(said)
sys.exit(said["clearance"] != sys.argv[1])' "$wanted"
}

clearances() {
    command -v openssl >/dev/null || { skip "clearances" "$THEIRS" "no openssl"; return; }
    passes "clearances: pyasn1 and OpenSSL make their certificates" "$THEIRS" _pki || return
    local secret="ALDER: UNCLASSIFIED, RESTRICTED, CONFIDENTIAL, SECRET" restricted="ALDER: UNCLASSIFIED, RESTRICTED"
    local given=(--attribute-certificate plain.ac --attribute-authority aa.pem)
    passes "clearance attribute in a certificate" "$THEIRS" _examined free "$secret"
    passes "clearance attribute below authority clearance constraints" "$THEIRS" _examined bound "$restricted"
    refuses "clearance constraints that name a policy twice" "$THEIRS" 'names a policy twice' _examined below-wrong "$secret"
    refuses "two clearance attributes" "$THEIRS" 'more than once' _examined two "$secret"
    refuses "a certificate without clearance" "$THEIRS" '"clearance": null' _examined plain "$secret"
    passes "attribute certificate" "$THEIRS" _examined plain "ALDER: UNCLASSIFIED, RESTRICTED, CONFIDENTIAL" "${given[@]}"
    refuses "attribute certificate of another holder" "$THEIRS" 'not about the holder' _examined free "$secret" "${given[@]}"
    refuses "attribute certificate without a named authority" "$THEIRS" 'not named as an attribute authority' \
        _examined plain "$secret" --attribute-certificate plain.ac
    python3 - <<'END'
octets = bytearray(open("plain.ac", "rb").read())
octets[-1] ^= 1
open("changed.ac", "wb").write(octets)
END
    refuses "attribute certificate, signature changed" "$THEIRS" 'signature is not good' \
        _examined plain "$secret" --attribute-certificate changed.ac --attribute-authority aa.pem
}
