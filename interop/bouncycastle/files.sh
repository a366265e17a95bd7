# Sourced by bouncycastle/run (and by bouncycastle80/run with newer jars): every form that our commands make.
_files() { java -cp "$JARS:classes" Files "$FILES"; }

files_of_ours() {
    files_there || return
    local made=$FILES/made file name who above place key what outcome
    : >good.tsv
    : >bad.tsv
    for file in "$made"/*signed*.eml "$made"/protect-*.eml; do
        name=$(basename "$file" .eml) who=alice above=-
        case $name in
            *enveloped*) continue ;;
            *-two) who=alice,dave ;;
            *-pss) who=dave ;;
            countersigned) above=mla ;;
            countersigned-twice) above=mla,dave ;;
        esac
        printf 'signed\t%s\t%s\t%s\t%s\n' "$name" "$file" $who $above >>good.tsv
        [[ $name = *-labelled ]] && printf 'labelled\t%s: label and receipt request\t%s\n' "$name" "$file" >>good.tsv
        for place in $([[ $name = clear* || $name = counter* ]] && echo text || echo content) attribute signature $([[ $above = - ]] || echo countersignature); do
            damage "$file" "$name.$place.eml" "$place"
            printf 'signed\t%s, changed %s\t%s\t%s\t%s\n' "$name" $place "$name.$place.eml" $who $above >>bad.tsv
        done
    done
    printf 'signed\tclear-signed, countersignature stripped\t%s\talice\tmla\n' "$made/clear-signed.eml" >>bad.tsv
    for file in "$made"/*enveloped*.eml; do
        name=$(basename "$file" .eml) who=-
        [[ $name = *-signed ]] && who=alice
        for key in bob eve carol; do
            case $name-$key in
                *oaep-bob | *oaep-eve) continue ;;
                *oaep-carol | *mixed-*) ;;
                *-carol) continue ;;
            esac
            printf 'opens\t%s, for %s\t%s\t%s\t%s\n' "$name" $key "$file" $key $who >>good.tsv
        done
        [[ $name = *oaep ]] || printf 'opens\t%s, another key\t%s\tmla\t%s\n' "$name" "$file" $who >>bad.tsv
        [[ $name = auth-* ]] || continue
        for place in ciphertext tag; do
            damage "$file" "$name.$place.eml" $place
            printf 'opens\t%s, changed %s\t%s\tbob\t%s\n' "$name" $place "$name.$place.eml" $who >>bad.tsv
        done
    done
    for name in triple-wrap triple-wrap-cbc; do
        for key in bob eve; do printf 'triple\t%s, for %s: three layers\t%s\t%s\tmla\talice\n' $name $key "$made/$name.eml" $key >>good.tsv; done
        printf 'triple\t%s, another key\t%s\tmla\tmla\talice\n' $name "$made/$name.eml" >>bad.tsv
        for place in content attribute signature; do
            damage "$made/$name.eml" "$name.$place.eml" $place
            printf 'triple\t%s, changed %s\t%s\tbob\tmla\talice\n' $name $place "$name.$place.eml" >>bad.tsv
        done
    done
    while IFS=$'\t' read -r what outcome; do row "$what" "$OURS" "$outcome"; done < <(_files <good.tsv 2>"$WORK/.said")
    [[ -s $WORK/.said ]] && grep -m 3 -i exception "$WORK/.said" >&2
    while IFS=$'\t' read -r what outcome; do
        [[ $outcome = FAIL* ]] && outcome=ok || outcome="FAIL (taken as good)"
        row "$what" "$OURS" "$outcome"
    done < <(_files <bad.tsv 2>"$WORK/.said")
}

# Forms that only Bouncy Castle makes, read by `ravelin inspect` and `ravelin open`.
files_of_theirs() {
    [[ -d $FILES/made ]] || return
    local form place keys=(--key "$FILES/bob.both.pem" --key "$FILES/carol.both.pem")
    mkdir -p theirs
    sed '1,/^MIME-Version/d' "$FILES/letter.eml" >content
    passes "MakeFiles writes its objects" "$THEIRS" java -cp "$JARS:classes" MakeFiles "$FILES" content theirs || return
    inspected "SignedData" theirs/plain.cms alice
    inspected "SignedData, RSA-PSS" theirs/pss.cms dave
    inspected "SignedData, two signers" theirs/two.cms "alice dave"
    inspected "SignedData, attributes of RFC 2634" theirs/attributes.cms alice --policy "$DEMO/config/alder.xml"
    passes "label and receipt request are shown" "$THEIRS" bash -c "'$RAVELIN' inspect theirs/attributes.cms --policy '$DEMO/config/alder.xml' >shown; grep -q 'SECRET; Releasable To: ALDER, BIRCH' shown && grep -q 'receipts.*alice@alder.example' shown"
    for form in countersigned countersigned-by-two countersigned-deep; do
        inspected "$form" theirs/$form.cms alice
        passes "$form: each countersigner is good" "$THEIRS" _countersigners theirs/$form.cms "$([[ $form = countersigned ]] && echo mla || echo 'dave mla')"
        damage theirs/$form.cms damaged.cms countersignature
        passes "$form, changed countersignature: it is bad" "$THEIRS" bash -c "! ( $(declare -f _countersigners inspect); _countersigners damaged.cms mla; )"
        damage theirs/$form.cms damaged.cms signature
        not_inspected "$form, changed signature" damaged.cms '"valid": false'
    done
    for form in plain pss two attributes; do
        for place in content attribute signature; do
            damage theirs/$form.cms damaged.cms $place
            not_inspected "$form, changed $place" damaged.cms '"valid": false'
        done
    done
    for form in cbc-128 cbc-192 cbc-256 gcm-128 gcm-192 gcm-256 one-each oaep oaep-gcm mixed; do
        opened "envelope, $form" theirs/$form.cms content "${keys[@]}"
        not_opened "envelope, $form, another key" theirs/$form.cms 'no key|closed' --key "$FILES/mla.both.pem"
        [[ $form = gcm-* ]] || continue
        for place in ciphertext tag; do
            damage theirs/$form.cms damaged.cms $place
            not_opened "envelope, $form, changed $place" damaged.cms 'no key|closed' "${keys[@]}"
        done
    done
    inspected "triple wrap" theirs/triple.cms "mla alice" "${keys[@]}"
    opened "triple wrap: content octet for octet" theirs/triple.cms content "${keys[@]}"
    not_opened "triple wrap, another key" theirs/triple.cms 'no key|closed' --key "$FILES/mla.both.pem"
    special
}

# Every countersigner at any depth is good; WHO are their common names.
_countersigners() { # FILE "WHO..."
    inspect "$1" >said.json
    python3 - said.json "$2" <<'END'
import json, sys
def below(signers):
    for one in signers:
        for above in one["countersigners"]:
            yield above
        yield from below(one["countersigners"])
found = list(below([one for layer in json.load(open(sys.argv[1]))["layers"] for one in layer["signers"]]))
names = sorted(one["subject"].split(",")[0].removeprefix("CN=") for one in found)
assert all(one["valid"] for one in found) and names == sorted(sys.argv[2].split()), found
END
}

# Recipients without a certificate, and compression.
special() {
    echo "0102:$(printf '0%.0s' {1..64})" >kek
    opened "envelope, KEK recipient" theirs/kek.cms content --shared-key-file kek
    printf interop >password
    opened "envelope, password recipient" theirs/password.cms content --message-password-file password
    "$RAVELIN" open theirs/compressed.cms --out compressed >compressed.said 2>&1
    if grep -q 'not one that is opened here' compressed.said; then
        skip "CompressedData" "$THEIRS" "this ravelin opens none"
    else
        opened "CompressedData" theirs/compressed.cms content
    fi
}
