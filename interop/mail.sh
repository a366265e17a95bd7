# Sourced by the peers that are mail programs, after harness.sh. Duty: a switch of one domain in $WORK
# that `ravelin init` made, with a port for each way in; letters for it; and the peers' certificates.
#   lab [MORE-CONFIGURATION]   writes it; `switch_up` starts it, `switch_down` ends it
#   $SUBMIT $RELAY $DESK $MAILBOX $NEXT   ports on loopback: submission, relay, desk, where the switch's
#                              mailboxes are (LMTP), where the next hop of far.example is (SMTP); $IN is free
# $WORK is another folder here, which the users of other people's daemons may enter. What was started
# ends with the script, by its process id.
WORK=$(mktemp -d)
chmod 755 "$WORK"
SWITCH=
PIDS=()
ports() { # COUNT
    python3 -c 'import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(one.getsockname()[1] for one in held))' "$1"
}
read -r SUBMIT RELAY DESK MAILBOX NEXT IN < <(ports 6)
PASSWORD="correct horse battery"
HOST=switch.alder.example

lab() { # MORE: further sections of the configuration
    "$RAVELIN" init "$WORK/first" >"$WORK/init.log" 2>&1 || return 1
    local first=$WORK/first
    echo "$PASSWORD" | "$RAVELIN" password set anna@alder.example --file "$first/passwords" || return 1
    # The next hop of far.example, and dora, who writes there: our authority certifies both.
    certify far "/CN=mta.far.example" "subjectAltName=DNS:mta.far.example,DNS:localhost" || return 1
    certify dora "/CN=dora" "subjectAltName=email:dora@far.example" || return 1
    certify anna "/CN=anna" "subjectAltName=email:anna@alder.example" || return 1
    python3 - "$first/ravelin.toml" "$1" <<END || return 1
import sys
file, more = sys.argv[1:]
text = open(file).read()
clearance = '{ policy = "ALDER", classifications = ["UNCLASSIFIED", "RESTRICTED"], categories = [["Releasable To", "ALDER"]] }'
for old, new in [
    ("127.0.0.1:2525\"\nrole = \"submission\"", '127.0.0.1:$SUBMIT"\nrole = "submission"\nxclient = ["127.0.0.1"]\n'
        'logins = ["external", "scram-sha-256-plus", "scram-sha-256", "plain"]\n\n'
        '[[listen]]\nname = "relay"\naddress = "127.0.0.1:$RELAY"\nrole = "relay"'),
    ("127.0.0.1:8443", "127.0.0.1:$DESK"),
    ("127.0.0.1:2424", "127.0.0.1:$MAILBOX"),
    ("[trust] ", 'passwords = "passwords"\n'),
]:
    assert old in text, old
    text = text.replace(old, new if old != "[trust] " else old, 1)
text = text.replace('revocation = "required"\n', 'revocation = "if-present"\npasswords = "passwords"\n', 1)
text += f'''
[[link]]
name = "far"
domains = ["far.example"]
address = "127.0.0.1:$NEXT"
peer = "mta.far.example"
recipients = "any"
clearance = {clearance}
arrives = {{ signed-by = "originator" }}
{more}'''
open(file, "w").write(text)
END
}

# A certificate of the lab's authority: NAME.pem and NAME.key.pem.
certify() { # NAME SUBJECT EXTENSION
    local pki=$WORK/first/pki
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$WORK/$1.key.pem" -out "$WORK/$1.csr" -subj "$2" \
        -addext "$3" >"$WORK/certify.log" 2>&1 &&
        printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n%s\n%s\n' "$3" \
            "extendedKeyUsage=serverAuth,clientAuth,emailProtection" >"$WORK/$1.ext" &&
        openssl x509 -req -in "$WORK/$1.csr" -CA "$pki/ca.pem" -CAkey "$pki/ca.key.pem" -CAcreateserial -days 30 \
            -extfile "$WORK/$1.ext" -out "$WORK/$1.pem" >>"$WORK/certify.log" 2>&1
}

# A letter of WHO (anna or dora) to RECIPIENT..., signed and labelled: $WORK/NAME.eml
letter() { # NAME WHO@DOMAIN LABEL RECIPIENT...
    local name=$1 who=$2 label=$3 to
    shift 3
    to=$(IFS=,; echo "$*")
    printf 'From: %s\r\nTo: %s\r\nSubject: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n%s\r\n.\r\n..two dots\r\n' \
        "$who" "${to//,/, }" "$name" "The letter $name." >"$WORK/$name.txt"
    rm -f "$WORK/$name.eml"
    "$RAVELIN" seal "$WORK/$name.txt" --profile clear-signed --signer "$WORK/${who%@*}.key.pem" --cert "$WORK/${who%@*}.pem" \
        --policy "$WORK/first/labels/alder.xml" --label "$label; Releasable To: ALDER" --out "$WORK/$name.eml" >"$WORK/seal.log" 2>&1
}

switch_up() {
    "$RAVELIN" serve --config "$WORK/first/ravelin.toml" >"$WORK/switch.log" 2>&1 </dev/null &
    SWITCH=$!
    PIDS+=("$SWITCH")
    for _ in $(seq 100); do
        grep -q 'the desk is open' "$WORK/switch.log" && return 0
        kill -0 "$SWITCH" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 5 "$WORK/switch.log" >&2
    return 1
}

# Ends what the script started, in the reverse order.
down() {
    local at pid
    for ((at = ${#PIDS[@]} - 1; at >= 0; at--)); do
        pid=${PIDS[at]}
        kill "$pid" 2>/dev/null
        for _ in $(seq 30); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$pid" 2>/dev/null
    done
    [[ -n ${KEEP:-} ]] && echo "$WORK" || rm -rf "$WORK"
}
trap down EXIT

listens() { # PORT
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}

# Whether TEXT comes to stand in a file below FOLDER, within 15 s.
comes() { # FOLDER TEXT
    for _ in $(seq 75); do
        grep -rlaqF -- "$2" "$1" 2>/dev/null && return 0
        sleep 0.2
    done
    echo "nothing with $2 in $1"
    return 1
}

# What the audit chain says, within 15 s: a line with each TEXT.
recorded() { # TEXT...
    local text line
    for _ in $(seq 75); do
        line=$(cat "$WORK/first/audit/audit.jsonl")
        for text in "$@"; do line=$(grep -F -- "$text" <<<"$line"); done
        [[ -n $line ]] && return 0
        sleep 0.2
    done
    echo "no event with $*"
    tail -n 3 "$WORK/first/audit/audit.jsonl"
    return 1
}
