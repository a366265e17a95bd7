# Sourced by interop/run. A PKI that OpenSSL makes, and in it every form that the commands make:
# `ravelin seal`, `countersign` and `receipt`, for the peers to take apart. Everything is in $FILES:
#   ca alice alice-expired stranger.pem/.key.pem/.both.pem   signers: P-384 (stranger: of another authority)
#   dave                                                     signer: RSA-3072
#   bob eve                                                  recipients: P-384
#   carol                                                    recipient: RSA-3072
#   letter.eml    the message;  made/NAME.eml   one file for each form
# $FILES/made/.log says what could not be made.

_files_authority() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384 -nodes -days 60 -subj "/O=Interop/CN=$1" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout "$1.key.pem" -out "$1.pem"
}

_files_certificate() { # NAME KEY KEY-USAGE [AUTHORITY] [DAYS]
    local name=$1 key=$2 kind=(-newkey ec -pkeyopt "ec_paramgen_curve:$2") authority=${4:-ca}
    [[ $key = rsa:* ]] && kind=(-newkey "$key")
    openssl req -new "${kind[@]}" -nodes -subj "/O=Interop/CN=$name" -keyout "$name.key.pem" -out "$name.csr" &&
        printf '%s\n' basicConstraints=CA:FALSE "keyUsage=critical,$3" extendedKeyUsage=emailProtection \
            "subjectAltName=email:${name%-expired}@alder.example" subjectKeyIdentifier=hash authorityKeyIdentifier=keyid >"$name.ext" &&
        openssl x509 -req -in "$name.csr" -CA "$authority.pem" -CAkey "$authority.key.pem" -sha384 -days "${5:-30}" \
            -set_serial "0x$(openssl rand -hex 15 | sed 's/^./1/')" -extfile "$name.ext" -out "$name.pem" &&
        cat "$name.key.pem" "$name.pem" >"$name.both.pem"
}

_files_pki() {
    _files_authority ca && _files_authority other &&
        _files_certificate alice P-384 digitalSignature,nonRepudiation &&
        _files_certificate alice-expired P-384 digitalSignature,nonRepudiation ca -1 &&
        _files_certificate stranger P-384 digitalSignature,nonRepudiation other &&
        _files_certificate dave rsa:3072 digitalSignature,nonRepudiation &&
        _files_certificate mla P-384 digitalSignature,nonRepudiation &&
        _files_certificate bob P-384 keyAgreement &&
        _files_certificate eve P-384 keyAgreement &&
        _files_certificate carol rsa:3072 keyEncipherment
}

_files_letter() {
    printf '%s\r\n' 'From: alice@alder.example' 'To: bob@alder.example, eve@alder.example' 'Subject: Passage of the strait' \
        "Date: $(date -R -u)" "Message-ID: <$(openssl rand -hex 8)@interop.example>" 'MIME-Version: 1.0' \
        'Content-Type: text/plain; charset=us-ascii' '' 'The convoy passes the northern strait at first light.' '.' \
        'The line above is a lone dot. This one is long enough that a change in the middle falls into it, not the frame.' >letter.eml
}

# make NAME OPTION...
_files_make() {
    local name=$1
    shift
    "$RAVELIN" seal letter.eml "$@" --out "made/$name.eml" >>made/.log 2>&1 </dev/null || echo "not made: $name: $*" >>made/.log
}

_files_made() {
    local alice=(--signer alice.both.pem) to=(--recipient bob.pem --recipient eve.pem) policy name cipher
    policy=(--policy "$DEMO/config/alder.xml" --label 'SECRET; Releasable To: ALDER, BIRCH')
    mkdir -p made
    : >made/.log
    for name in clear-signed opaque-signed; do
        _files_make $name --profile $name "${alice[@]}"
        _files_make $name-labelled --profile $name "${alice[@]}" "${policy[@]}" --receipt-to alice@alder.example
        _files_make $name-two --profile $name "${alice[@]}" --signer dave.both.pem
        _files_make $name-pss --profile $name --signer dave.both.pem
    done
    for name in none wrap rfc9788 rfc7508; do
        _files_make protect-$name --profile opaque-signed "${alice[@]}" --protect $name
    done
    for cipher in aes-128-cbc aes-192-cbc aes-256-cbc; do
        _files_make enveloped-$cipher --profile enveloped --protect none --content-cipher $cipher "${to[@]}"
    done
    for cipher in aes-128-gcm aes-192-gcm aes-256-gcm; do
        _files_make auth-enveloped-$cipher --profile auth-enveloped --protect none --content-cipher $cipher "${to[@]}"
    done
    _files_make enveloped-oaep --profile enveloped --protect none --recipient carol.pem
    _files_make enveloped-mixed --profile enveloped --protect none --recipient carol.pem "${to[@]}"
    _files_make auth-enveloped-signed --profile auth-enveloped "${alice[@]}" "${to[@]}"
    _files_make triple-wrap --profile triple-wrap "${alice[@]}" --outer-signer mla.both.pem "${to[@]}" \
        "${policy[@]}" --outer-label 'UNCLASSIFIED' --receipt-to alice@alder.example
    _files_make triple-wrap-cbc --profile triple-wrap "${alice[@]}" --outer-signer mla.both.pem "${to[@]}" --content-cipher aes-256-cbc
    "$RAVELIN" countersign made/clear-signed.eml --signer mla.both.pem --out made/countersigned.eml >>made/.log 2>&1 ||
        echo "not made: countersigned" >>made/.log
    "$RAVELIN" countersign made/countersigned.eml --signer dave.both.pem --out made/countersigned-twice.eml >>made/.log 2>&1 ||
        echo "not made: countersigned-twice" >>made/.log
}

files() {
    mkdir -p "$FILES"
    local here=$PWD
    cd "$FILES" || return 1
    local code=0
    { _files_pki >pki.log 2>&1 && _files_letter; } || code=1
    # A ravelin from before the commands: harness.sh, files_there.
    [[ $code -ne 0 ]] || ! "$RAVELIN" seal --help >/dev/null 2>&1 || _files_made
    cd "$here" || return 1
    return $code
}
