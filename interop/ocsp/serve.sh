# Sourced by ocsp/run, which has the authority, the responder and the web server. A switch of ALDER's
# that believes this authority and fetches: each status, over the line, from what OpenSSL answers.
SWITCH=$WORK/switch

_another() { # NAME: an authority of the same name, and its list
    openssl ecparam -name secp384r1 -genkey -noout -out "$1.key"
    openssl req -x509 -new -key "$1.key" -sha384 -subj "/CN=OCSP exercise CA" -days 60 -out "$1.pem" -addext 'keyUsage=critical,keyCertSign,cRLSign'
    openssl ca -gencrl -config ca.cnf -cert "$1.pem" -keyfile "$1.key" | openssl crl -outform DER -out "www/$1.crl"
}

_lists() {
    _another stranger-ca
    openssl ca -gencrl -config ca.cnf -cert ca.pem -keyfile ca.key -crl_lastupdate "$(date -u -d '-3 days' +%y%m%d%H%M%SZ)" \
        -crl_nextupdate "$(date -u -d '-1 day' +%y%m%d%H%M%SZ)" | openssl crl -outform DER -out www/stale.crl
}

_switch() {
    mkdir -p "$SWITCH"
    cp "$DEMO"/config/*.xml "$SWITCH"
    python3 - "$DEMO" "$WORK/ca.pem" >"$SWITCH/switch.toml" <<'END'
import re, socket, sys
demo, anchor = sys.argv[1:]
text = open(f"{demo}/config/alder.toml").read().replace('"../', f'"{demo}/')
held = []
def free(_):
    held.append(socket.create_server(("127.0.0.1", 0)))
    return f'address = "127.0.0.1:{held[-1].getsockname()[1]}"'
# Listeners and desk get ports of their own; the next hops stay.
ours, rest = text.split("[[policy]]", 1)
ours = re.sub(r'address = "127\.0\.0\.1:\d+"', free, ours)
ours = re.sub(r'directory = ".*"', 'directory = "store"', ours)
ours = re.sub(r'file = ".*"', 'file = "audit.jsonl"', ours)
ours = re.sub(r'anchors = \[(.*)\]', rf'anchors = [\1, "{anchor}"]\nfetch = ["crl", "ocsp"]', ours)
print(ours + '[revocation]\ntime = "3s"\n\n[[policy]]' + rest)
END
}

_switch_up() { # starts the switch and waits until it listens
    local port
    "$RAVELIN" serve --config "$SWITCH/switch.toml" >>"$SWITCH/log" 2>&1 </dev/null &
    switch_pid=$!
    started+=("$switch_pid")
    port=$(sed -n '/name = "submission"/{n;s/.*:\([0-9]*\)".*/\1/p}' "$SWITCH/switch.toml")
    for _ in $(seq 100); do
        kill -0 "$switch_pid" 2>/dev/null || return 1
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}

judged() { # FEATURE PATTERN NAME: what the switch says to what NAME signed
    python3 "$INTEROP/openssl/sign.py" --signer "$3.pem" --key "$3.key" --from drafter@alder.example \
        --to reader@alder.example --text said.txt --out "$3.eml" --classification 2 2>"$WORK/.said" &&
        CONFIG=$SWITCH/switch.toml answers "serve: $1" "$2" drafter "$3.eml" reader@alder.example
}

told() { # FEATURE PATTERN: what the chain tells of it
    passes "serve: $1" "$THEIRS" grep -E "$2" "$SWITCH/audit.jsonl"
}

# A place is asked once a minute about one certificate: each case has one of its own.
serve_fetches() {
    local name
    for name in line-good line-gone; do issue "$name" crl; done
    issue line-stale stale
    issue line-stranger strangers
    issue line-nobody nobody
    for name in ocsp-good ocsp-gone ocsp-stranger ocsp-delegated ocsp-delegated-gone ocsp-unchecked; do issue "$name" signer; done
    for name in line-gone ocsp-gone ocsp-delegated-gone; do openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -revoke "$name.pem" 2>/dev/null; done
    openssl ca -gencrl -config ca.cnf -cert ca.pem -keyfile ca.key 2>/dev/null | openssl crl -outform DER -out www/ca.crl
    printf 'What the switch is told of a revocation.\r\n' >said.txt
    { _lists && _switch; } >"$SWITCH.log" 2>&1 || { row "serve: lists and configuration" "$THEIRS" "FAIL (cannot make them)"; tail "$SWITCH.log" >&2; return; }
    passes "serve: check-config" "$THEIRS" "$RAVELIN" check-config --config "$SWITCH/switch.toml" || return
    _switch_up || { row "serve: the switch comes up" "$THEIRS" FAIL; tail "$SWITCH/log" >&2; return; }
    judged "CRL over HTTP: good" '^250 ' line-good
    told "CRL over HTTP: good, in the chain" 'line-good: not revoked, says CN=OCSP exercise CA, thisUpdate .*nextUpdate'
    judged "CRL over HTTP: revoked" '^550 .*\(signer\.untrusted\)' line-gone
    judged "CRL over HTTP: out of date" '^451 ' line-stale
    told "CRL over HTTP: out of date, in the chain" 'line-stale.*was to be renewed by'
    judged "CRL over HTTP: by another authority of the same name" '^451 ' line-stranger
    judged "nobody answers" '^451 ' line-nobody
    answering ca -nmin 60
    judged "OCSP by the issuer: good" '^250 ' ocsp-good
    told "OCSP by the issuer: good, in the chain" 'ocsp-good: not revoked, says OCSP responder'
    judged "OCSP by the issuer: revoked" '^550 .*\(signer\.untrusted\)' ocsp-gone
    answering responder -nmin 60
    judged "OCSP by a delegated responder: good" '^250 ' ocsp-delegated
    judged "OCSP by a delegated responder: revoked" '^550 .*\(signer\.untrusted\)' ocsp-delegated-gone
    answering unchecked -nmin 60
    judged "OCSP by a delegated responder without a status of its own" '^451 ' ocsp-unchecked
    answering stranger -nmin 60
    judged "OCSP by a signer without the right" '^451 ' ocsp-stranger
    # Another start, and nobody to ask: what was fetched is still known.
    kill "$web_pid" "$ocsp_pid" "$switch_pid" 2>/dev/null
    wait "$web_pid" "$ocsp_pid" "$switch_pid" 2>/dev/null
    _switch_up || { row "serve: the switch comes up again" "$THEIRS" FAIL; tail "$SWITCH/log" >&2; return; }
    judged "after a restart, nobody there: good by the kept CRL" '^250 ' line-good
    judged "after a restart, nobody there: good by the kept OCSP answer" '^250 ' ocsp-good
    judged "after a restart, nobody there: revoked by the kept CRL" '^550 .*\(signer\.untrusted\)' line-gone
    judged "after a restart, nobody there: nothing was kept" '^451 ' ocsp-stranger
}
