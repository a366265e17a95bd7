# Sourced by openssl/run, and by openssl4/run with a newer program in $OPENSSL: every form that our
# commands make (see ../files.sh), and what `openssl cms` makes in every form that they read.
OPENSSL=${OPENSSL:-openssl}

_verify() { "$OPENSSL" cms -verify -in "$1" -CAfile "$FILES/ca.pem" -purpose smimesign -out "${2:-$WORK/verified}" "${@:3}"; }
_decrypt() { "$OPENSSL" cms -decrypt -in "$1" -recip "$FILES/$2.pem" -inkey "$FILES/$2.key.pem" -out "${3:-$WORK/decrypted}"; }
_text() { grep -q 'convoy passes the northern strait' "$1"; }
_verified() { _verify "$1" "$WORK/verified" && _text "$WORK/verified"; }
_decrypted() { _decrypt "$1" "$2" && _text "$WORK/decrypted"; }
_decrypted_signed() { _decrypt "$1" "$2" u1.eml && _verified u1.eml; }
_unwrapped() { _verify "$1" u2.eml && _decrypt u2.eml "$2" u1.eml && _verify u1.eml u0.eml && _text u0.eml; }

files_of_ours() {
    files_there || return
    local made=$FILES/made file name place later
    later=$(date -d '+90 days' +%s)
    for file in "$made"/*signed*.eml "$made"/protect-*.eml; do
        name=$(basename "$file" .eml)
        [[ $name = *enveloped* ]] && continue
        passes "$name" "$OURS" _verified "$file"
        for place in $([[ $name = clear* || $name = counter* ]] && echo text || echo content) attribute signature; do
            damage "$file" damaged.eml "$place"
            refuses "$name, changed $place" "$OURS" 'verification failure' _verify damaged.eml
        done
    done
    refuses "clear-signed, another authority" "$OURS" 'verify error' "$OPENSSL" cms -verify -in "$made/clear-signed.eml" -CAfile "$FILES/other.pem" -out /dev/null
    refuses "clear-signed, certificate expired" "$OURS" 'expired' _verify "$made/clear-signed.eml" /dev/null -attime "$later"
    passes "clear-signed, signing-certificate-v2 checked (-cades)" "$OURS" _verify "$made/clear-signed.eml" /dev/null -cades
    for file in "$made"/*enveloped*.eml; do
        name=$(basename "$file" .eml)
        for place in bob eve carol; do
            case $name-$place in
                *oaep-bob | *oaep-eve) continue ;;
                *oaep-carol | *mixed-*) ;;
                *-carol) continue ;;
            esac
            if [[ $name = *-signed ]]; then
                passes "$name, for $place" "$OURS" _decrypted_signed "$file" "$place"
            else
                passes "$name, for $place" "$OURS" _decrypted "$file" "$place"
            fi
        done
        refuses "$name, another key" "$OURS" 'error' _decrypt "$file" mla
        [[ $name = auth-* ]] || continue
        for place in ciphertext tag; do
            damage "$file" damaged.eml "$place"
            refuses "$name, changed $place" "$OURS" 'error' _decrypt damaged.eml bob
        done
    done
    for name in triple-wrap triple-wrap-cbc; do
        for place in bob eve; do passes "$name, for $place: three layers" "$OURS" _unwrapped "$made/$name.eml" $place; done
        for place in content attribute signature; do
            damage "$made/$name.eml" damaged.eml "$place"
            refuses "$name, changed $place" "$OURS" 'verification failure' _verify damaged.eml
        done
    done
    passes "receipt request is read" "$OURS" bash -c "'$OPENSSL' cms -verify -in '$made/clear-signed-labelled.eml' -CAfile '$FILES/ca.pem' -receipt_request_print -out /dev/null 2>&1 | grep -q alice@alder.example"
}

# Every form that `openssl cms` makes, read by `ravelin inspect` and `ravelin open`.
files_of_theirs() {
    [[ -d $FILES/made ]] || return
    local sign=(-signer "$FILES/alice.pem" -inkey "$FILES/alice.key.pem" -md sha384) form place
    local pss=(-signer "$FILES/dave.pem" -inkey "$FILES/dave.key.pem" -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:-1)
    local keys=(--key "$FILES/bob.both.pem" --key "$FILES/carol.both.pem")
    sed '1,/^MIME-Version/d' "$FILES/letter.eml" >content
    cms() { "$OPENSSL" cms "$@" -in content -binary; }
    cms -sign "${sign[@]}" -from alice@alder.example -to bob@alder.example -subject interop -out clear.eml && crlf clear.eml
    cms -sign "${sign[@]}" -nodetach -outform DER -out der.cms
    cms -sign "${sign[@]}" -nodetach -outform PEM -out pem.cms
    cms -sign "${sign[@]}" -nodetach -stream -outform DER -out ber.cms
    cms -sign "${sign[@]}" -nodetach -keyid -outform DER -out keyid.cms
    cms -sign "${sign[@]}" -nodetach -cades -outform DER -out cades.cms
    cms -sign "${sign[@]}" "${pss[@]}" -nodetach -outform DER -out two.cms
    cms -sign "${pss[@]}" -md sha384 -nodetach -outform DER -out pss.cms
    cms -sign -signer "$FILES/dave.pem" -inkey "$FILES/dave.key.pem" -md sha256 -nodetach -outform DER -out pkcs1.cms
    cms -sign "${sign[@]}" -nodetach -receipt_request_all -receipt_request_to alice@alder.example -outform DER -out request.cms
    "$OPENSSL" cms -resign -inform DER -in der.cms -signer "$FILES/mla.pem" -inkey "$FILES/mla.key.pem" -md sha384 -nodetach -binary -outform DER -out resign.cms
    inspected "multipart/signed" clear.eml alice
    for form in der pem ber keyid cades; do inspected "SignedData, $form" $form.cms alice; done
    inspected "SignedData, RSA-PSS" pss.cms dave
    inspected "SignedData, RSA PKCS #1 v1.5" pkcs1.cms dave
    inspected "SignedData, ECDSA and RSA-PSS signers" two.cms "alice dave"
    inspected "SignedData, a second signer added (-resign)" resign.cms "alice mla"
    inspected "SignedData, receipt request" request.cms alice
    passes "receipt request says to whom" "$THEIRS" bash -c "'$RAVELIN' inspect request.cms | grep -q 'receipts.*alice@alder.example'"
    opened "SignedData, content octet for octet" der.cms content
    opened "SignedData in pieces, content octet for octet" ber.cms content
    damage clear.eml damaged.cms text
    not_inspected "multipart/signed, changed text" damaged.cms '"good": false'
    for form in der ber keyid cades two pss pkcs1; do
        for place in content attribute signature; do
            damage $form.cms damaged.cms $place
            not_inspected "SignedData, $form, changed $place" damaged.cms '"valid": false'
            not_opened "SignedData, $form, changed $place: nothing comes out" damaged.cms 'layer 0'
        done
    done
    cms -sign "${sign[@]}" -nodetach -noattr -outform DER -out noattr.cms
    not_inspected "SignedData without signed attributes" noattr.cms 'no signed attributes'
    cms -sign "${sign[@]}" -nodetach -nocerts -outform DER -out nocerts.cms
    not_inspected "SignedData without the certificate" nocerts.cms 'not at hand'
    cms -sign -signer "$FILES/alice-expired.pem" -inkey "$FILES/alice-expired.key.pem" -md sha384 -nodetach -outform DER -out expired.cms
    not_inspected "SignedData, certificate expired" expired.cms 'expired|ended|not valid'
    cms -sign -signer "$FILES/stranger.pem" -inkey "$FILES/stranger.key.pem" -md sha384 -nodetach -outform DER -out stranger.cms
    not_inspected "SignedData by a stranger" stranger.cms 'no path'
    cms -sign -signer "$FILES/bob.pem" -inkey "$FILES/bob.key.pem" -md sha384 -nodetach -outform DER -out misused.cms 2>/dev/null &&
        not_inspected "SignedData by a key that is for encryption" misused.cms '"valid": false'
    "$OPENSSL" crl2pkcs7 -nocrl -certfile "$FILES/ca.pem" -outform DER -out certs.cms
    not_inspected "certs-only is signed by nobody" certs.cms '"good": false'

    sealed_by_it() { # NAME OPTION...
        local name=$1
        shift
        cms -encrypt "$@" -outform DER -out "$name.cms" && opened "envelope, $name" "$name.cms" content "${keys[@]}"
        not_opened "envelope, $name, another key" "$name.cms" 'no key|closed' --key "$FILES/eve.both.pem"
    }
    local ec=(-recip "$FILES/bob.pem" -keyopt ecdh_kdf_md:sha384) rsa=(-recip "$FILES/carol.pem" -keyopt rsa_padding_mode:oaep)
    for form in aes-128-cbc aes-192-cbc aes-256-cbc aes-128-gcm aes-192-gcm aes-256-gcm; do sealed_by_it $form -$form -aes256-wrap "${ec[@]}"; done
    for form in sha256 sha512; do sealed_by_it "kdf-$form" -aes-256-cbc -aes256-wrap -recip "$FILES/bob.pem" -keyopt ecdh_kdf_md:$form; done
    for form in aes128-wrap aes192-wrap; do sealed_by_it $form -aes-256-cbc -$form "${ec[@]}"; done
    sealed_by_it cofactor -aes-256-gcm -aes256-wrap "${ec[@]}" -keyopt ecdh_cofactor_mode:1
    sealed_by_it key-identifier -aes-256-gcm -aes256-wrap -keyid "${ec[@]}"
    sealed_by_it ber -aes-256-cbc -aes256-wrap -stream "${ec[@]}"
    for form in sha1 sha256 sha384 sha512; do
        sealed_by_it "oaep-$form" -aes-256-cbc "${rsa[@]}" -keyopt rsa_oaep_md:$form -keyopt rsa_mgf1_md:$form
    done
    sealed_by_it mixed -aes-256-gcm -aes256-wrap "${ec[@]}" "${rsa[@]}" -keyopt rsa_oaep_md:sha384 -keyopt rsa_mgf1_md:sha384
    for form in aes-128-gcm aes-256-gcm; do
        for place in ciphertext tag; do
            damage $form.cms damaged.cms $place
            not_opened "envelope, $form, changed $place" damaged.cms 'no key|closed' "${keys[@]}"
        done
    done
    cms -encrypt -aes-256-cbc -recip "$FILES/carol.pem" -outform DER -out v15.cms
    not_opened "envelope, RSA PKCS #1 v1.5 without a link that says so" v15.cms 'no key|closed' "${keys[@]}"

    # Triple wrap, by its three commands; S/MIME with CRLF, as it crosses a wire.
    "$OPENSSL" cms -sign -in content -binary -nodetach "${sign[@]}" -cades -out t1.eml && crlf t1.eml
    for form in aes-256-gcm aes-256-cbc; do
        "$OPENSSL" cms -encrypt -in t1.eml -binary -$form -aes256-wrap "${ec[@]}" -out t2.eml && crlf t2.eml
        "$OPENSSL" cms -sign -in t2.eml -binary -nodetach -signer "$FILES/mla.pem" -inkey "$FILES/mla.key.pem" -md sha384 \
            -from alice@alder.example -to bob@alder.example -subject triple -out triple.eml && crlf triple.eml
        inspected "triple wrap, $form: three layers" triple.eml "mla alice" "${keys[@]}"
        opened "triple wrap, $form: content octet for octet" triple.eml content "${keys[@]}"
        not_opened "triple wrap, $form, another key" triple.eml 'no key|closed' --key "$FILES/eve.both.pem"
        for place in content attribute signature; do
            damage triple.eml damaged.eml $place
            not_inspected "triple wrap, $form, changed $place" damaged.eml '"valid": false|layer 1: MIME' "${keys[@]}"
        done
    done
    receipts
}

# Receipts, both ways.
receipts() {
    local made=$FILES/made
    if ! "$RAVELIN" receipt --help >/dev/null 2>&1; then
        skip "signed receipts" both "this ravelin has no receipt command"
        return
    fi
    . "$INTEROP/openssl/receipts.sh"
}
