# Sourced by openssl/files.sh: signed receipts (RFC 2634 section 2), each side's for each side's request.
# OpenSSL signs a receipt with SHA-256 whatever it is told; the message digest in it follows the original.
_receipt() { "$RAVELIN" receipt make "$1" --signer "$FILES/mla.both.pem" --trust "$FILES/ca.pem" --out "$2"; }
_take() { "$RAVELIN" receipt verify "$1" --original "$2" --trust "$FILES/ca.pem"; }
_accept() { # RECEIPT ORIGINAL [FORM]
    python3 "$INTEROP/part.py" cms "$1" ours.cms &&
        "$OPENSSL" cms -verify_receipt ours.cms -rctform DER -in "$2" -inform "${3:-SMIME}" -CAfile "$FILES/ca.pem" -out /dev/null
}
_theirs() { "$OPENSSL" cms -sign_receipt -in "$1" -inform "${2:-SMIME}" -signer "$FILES/mla.pem" -inkey "$FILES/mla.key.pem" -out receipt.cms -outform DER; }

# $made and request.cms are of files.sh.
for form in opaque-signed clear-signed; do
    original=$made/$form-labelled.eml
    passes "receipt by us for our $form message" "$OURS" _receipt "$original" receipt.eml || continue
    passes "receipt by us for our $form message, verified" "$OURS" _accept receipt.eml "$original"
    refuses "receipt by us, of another message" "$OURS" 'no matching|error' _accept receipt.eml "$made/$([[ $form = opaque* ]] && echo clear || echo opaque)-signed-labelled.eml"
    for place in content attribute signature; do
        damage receipt.eml damaged.eml $place
        refuses "receipt by us for $form, changed $place" "$OURS" 'error|failure' _accept damaged.eml "$original"
    done
    passes "receipt by OpenSSL for our $form message" "$THEIRS" _theirs "$original" || continue
    passes "receipt by OpenSSL for our $form message, verified" "$THEIRS" _take receipt.cms "$original"
    for place in content attribute signature; do
        damage receipt.cms damaged.cms $place
        refuses "receipt by OpenSSL for $form, changed $place" "$THEIRS" 'receipt|signature|not' _take damaged.cms "$original"
    done
    refuses "receipt by OpenSSL, of another message" "$THEIRS" 'receipt|not|match' _take receipt.cms "$made/$([[ $form = opaque* ]] && echo clear || echo opaque)-signed-labelled.eml"
done
passes "receipt by us for OpenSSL's request" "$OURS" _receipt request.cms receipt.eml &&
    passes "receipt by us for OpenSSL's request, verified" "$OURS" _accept receipt.eml request.cms DER
_theirs request.cms DER && passes "receipt by OpenSSL for its own request, verified" "$THEIRS" _take receipt.cms request.cms
refuses "no receipt where none is asked for" "$OURS" 'receipt|ask|owed' _receipt "$made/opaque-signed.eml" none.eml
