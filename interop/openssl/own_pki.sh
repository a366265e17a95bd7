# Sourced by openssl/run. A switch whose whole PKI OpenSSL made, with what the demo has not: RSA
# signers (PKCS #1 v1.5 and PSS), revoked, expired and misused certificates, a border that decrypts
# with RSA, P-256 and P-521 keys. Its mailboxes are the demo's.
OWN=$WORK/own

_authority() {
    mkdir -p "$OWN/ca"
    : >"$OWN/ca/index.txt"
    echo 1000 >"$OWN/ca/crlnumber"
    cat >"$OWN/ca.cnf" <<END
[ca]
default_ca = here
[here]
database = $OWN/ca/index.txt
crlnumber = $OWN/ca/crlnumber
default_md = sha384
default_crl_days = 2
certificate = $OWN/ca.pem
private_key = $OWN/ca.key.pem
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid
[req]
distinguished_name = name
[name]
END
    openssl req -x509 -config "$OWN/ca.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384 -nodes -days 30 -subj "/O=ALDER/CN=Interop CA" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -addext subjectKeyIdentifier=hash \
        -keyout "$OWN/ca.key.pem" -out "$OWN/ca.pem"
}

# certificate NAME KEY SAN KEY-USAGE EXTENDED-KEY-USAGE [DAYS]; KEY is rsa:BITS or a curve's name.
_certificate() {
    local name=$1 key=$2 kind=(-newkey ec -pkeyopt "ec_paramgen_curve:$2")
    [[ $key = rsa:* ]] && kind=(-newkey "$key")
    openssl req -config "$OWN/ca.cnf" -new "${kind[@]}" -nodes -subj "/O=ALDER/CN=$name" -keyout "$OWN/$name.key.pem" -out "$OWN/$name.csr"
    printf '%s\n' basicConstraints=CA:FALSE "keyUsage=critical,$4" "extendedKeyUsage=$5" "subjectAltName=$3" \
        subjectKeyIdentifier=hash authorityKeyIdentifier=keyid >"$OWN/$name.ext"
    openssl x509 -req -in "$OWN/$name.csr" -CA "$OWN/ca.pem" -CAkey "$OWN/ca.key.pem" -sha384 -days "${6:-20}" \
        -set_serial "0x$(openssl rand -hex 15 | sed 's/^./1/')" -extfile "$OWN/$name.ext" -out "$OWN/$name.pem"
}

_people() {
    local drafter=email:drafter@alder.example sign=digitalSignature,nonRepudiation mail=emailProtection,clientAuth
    _certificate drafter P-384 $drafter $sign $mail
    _certificate rsa rsa:3072 $drafter $sign $mail
    _certificate short rsa:1024 $drafter $sign $mail
    _certificate revoked P-384 $drafter $sign $mail
    _certificate expired P-384 $drafter $sign $mail -1
    _certificate misused P-384 $drafter keyAgreement $mail
    _certificate server P-384 $drafter $sign serverAuth
    _certificate border-sign P-384 email:domain-signing-authority@alder.example $sign emailProtection
    _certificate border-p256 P-256 email:border@alder.example keyAgreement emailProtection
    _certificate border-p521 P-521 email:border@alder.example keyAgreement emailProtection
    _certificate border-rsa rsa:3072 email:border@alder.example keyEncipherment emailProtection
    _certificate tls P-384 DNS:switch.alder.example digitalSignature serverAuth,clientAuth
    openssl ca -config "$OWN/ca.cnf" -revoke "$OWN/revoked.pem" -crl_reason keyCompromise
    openssl ca -config "$OWN/ca.cnf" -gencrl -out "$OWN/ca.crl.pem"
}

_configuration() {
    cp "$DEMO/config/alder.xml" "$ALDER/store.key" "$OWN"
    python3 - "$DEMO/config/alder.toml" >"$OWN/switch.toml" <<'END'
import socket, sys, tomllib
demo = tomllib.load(open(sys.argv[1], "rb"))
mailboxes = next(link["address"] for link in demo["link"] if link["name"] == "mailboxes")
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
port, desk = (one.getsockname()[1] for one in held)
pair = lambda name: f'{{ certificate = "{name}.pem", key = "{name}.key.pem" }}'
decrypt = ", ".join(pair(f"border-{kind}") for kind in ("p256", "p521", "rsa"))
clearance = 'clearance = { policy = "ALDER", classifications = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET"], categories = [["Releasable To", "ALDER"]] }'
people = "".join(f'[[subject]]\naddress = "{who}@alder.example"\n{clearance}\n' for who in ("drafter", "reader", "postmaster"))
print(f'''[switch]
name = "switch.alder.example"
domains = ["alder.example"]
postmaster = "postmaster@alder.example"
[store]
directory = "store"
key = "store.key"
[keys]
sign = {pair("border-sign")}
decrypt = [{decrypt}]
tls = {pair("tls")}
[trust]
anchors = ["ca.pem"]
crls = ["ca.crl.pem"]
revocation = "required"
[[listen]]
name = "submission"
address = "127.0.0.1:{port}"
role = "submission"
[audit]
file = "audit.jsonl"
[admin]
address = "127.0.0.1:{desk}"
[[policy]]
file = "alder.xml"
{people}[[link]]
name = "mailboxes"
domains = ["alder.example"]
protocol = "lmtp"
address = "{mailboxes}"
tls = "never"
{clearance}''')
END
}

_up() { # waits until the switch listens
    local port
    port=$(sed -n '/name = "submission"/{n;s/.*:\([0-9]*\)".*/\1/p}' "$OWN/switch.toml")
    for _ in $(seq 100); do
        kill -0 "$own_pid" 2>/dev/null || return 1
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}

own_pki() {
    local reader=reader@alder.example name scheme
    { _authority && _people && _configuration; } >"$OWN.log" 2>&1 || { row "PKI made by OpenSSL" "$THEIRS" "FAIL (cannot make it)"; tail "$OWN.log" >&2; return; }
    passes "PKI made by OpenSSL: check-config" "$THEIRS" "$RAVELIN" check-config --config "$OWN/switch.toml" || return
    "$RAVELIN" serve --config "$OWN/switch.toml" >"$OWN/log" 2>&1 </dev/null &
    own_pid=$!
    trap 'kill "$own_pid" 2>/dev/null; wait "$own_pid" 2>/dev/null' EXIT
    _up || { row "PKI made by OpenSSL: the switch comes up" "$THEIRS" "FAIL"; cat "$OWN/log" >&2; return; }
    local PKI=$OWN CONFIG=$OWN/switch.toml
    text own
    sign own.eml own.txt drafter --classification 4
    answers "PKI made by OpenSSL: ECDSA P-384" '^250 ' drafter own.eml $reader
    for scheme in pkcs1 pss; do
        sign own-$scheme.eml own.txt rsa --classification 4 --scheme $scheme
        answers "RSA-3072 $scheme signature" '^250 ' drafter own-$scheme.eml $reader
        damage own-$scheme.eml damaged.eml signature
        answers "RSA-3072 $scheme, changed signature" '^550 .*\(signature\.invalid\)' drafter damaged.eml $reader
    done
    sign own-short.eml own.txt short --classification 4 --scheme pss
    answers "RSA-1024 signature" '^550 .*\((signature|signer)\.' drafter own-short.eml $reader
    for name in revoked expired misused server; do
        sign own-$name.eml own.txt $name --classification 4
        answers "certificate: $name" '^550 .*\(signer\.untrusted\)' drafter own-$name.eml $reader
    done
    sign own.entity own.txt drafter --classification 4 --entity
    envelope own-256.eml own.entity "$OWN/border-p256.pem" ecdh_kdf_md:sha256 -aes-256-gcm -aes128-wrap
    answers "envelope ECDH P-256, SHA-256" '^250 ' drafter own-256.eml $reader
    envelope own-521.eml own.entity "$OWN/border-p521.pem" ecdh_kdf_md:sha512 -aes-256-gcm -aes256-wrap
    answers "envelope ECDH P-521, SHA-512" '^250 ' drafter own-521.eml $reader
    envelope own-oaep.eml own.entity "$OWN/border-rsa.pem" rsa_padding_mode:oaep -aes-256-gcm -keyopt rsa_oaep_md:sha384 -keyopt rsa_mgf1_md:sha384
    answers "envelope RSA-OAEP, SHA-384" '^250 ' drafter own-oaep.eml $reader
    envelope own-two.eml own.entity "$OWN/border-p521.pem" ecdh_kdf_md:sha384 -aes-256-cbc -aes256-wrap -recip "$OWN/drafter.pem" -keyopt ecdh_kdf_md:sha384
    answers "envelope for two, one of them the border" '^250 ' drafter own-two.eml $reader
    envelope own-pkcs1.eml own.entity "$OWN/border-rsa.pem" "" -aes-256-gcm
    answers "envelope RSA PKCS #1 v1.5" '^550 .*\(decryption\.failed\)' drafter own-pkcs1.eml $reader
    damage own-oaep.eml damaged.eml ciphertext
    answers "envelope RSA-OAEP, changed ciphertext" '^550 .*\(decryption\.failed\)' drafter damaged.eml $reader
}
