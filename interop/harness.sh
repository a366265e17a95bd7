# Sourced by every interop/<peer>/run. Duty: one row in $RESULTS for each check.
# The runner gives: PEER, RESULTS, VERSIONS (a line for each program that takes part), DEMO (a demo folder whose switches are up), WORK (an empty folder
# of the peer's own), RAVELIN (the program), INTEROP (this folder), FILES (see files.sh), SETUP
# (--built: only what `interop/setup` has made already).
# A row is feature, peer, direction and outcome, parted by tabs; the outcome starts with ok, FAIL or
# skipped. Directions: "ours -> peer": the peer reads what Ravelin made; "peer -> ours": the reverse.
set -uo pipefail
: "${PEER:?start this by interop/run}" "${RESULTS:?}" "${VERSIONS:?}" "${DEMO:?}" "${WORK:?}" "${RAVELIN:?}" "${INTEROP:?}"
OURS="ours -> peer"
THEIRS="peer -> ours"
ALDER="$DEMO/pki/alder"
BIRCH="$DEMO/pki/birch"

row() { # FEATURE DIRECTION OUTCOME
    printf '%s\t%s\t%s\t%s\n' "$1" "$PEER" "$2" "$3" >>"$RESULTS"
}

version() { # TEXT
    printf '%s\n' "$1" >>"$VERSIONS"
}

skip() { # FEATURE DIRECTION WHY
    row "$1" "$2" "skipped ($3)"
}

_tell() { # FEATURE: what went wrong, for whoever reads the log
    { echo "--- $PEER: $1"; tail -n 15 "$WORK/.said"; } >&2
}

passes() { # FEATURE DIRECTION COMMAND...
    local feature=$1 direction=$2
    shift 2
    if "$@" >"$WORK/.said" 2>&1 </dev/null; then
        row "$feature" "$direction" ok
    else
        row "$feature" "$direction" "FAIL (rc $?)"
        _tell "$feature"
        return 1
    fi
}

# The negative twin: the command must fail, and for the reason that is meant.
refuses() { # FEATURE DIRECTION PATTERN COMMAND...
    local feature=$1 direction=$2 pattern=$3
    shift 3
    if "$@" >"$WORK/.said" 2>&1 </dev/null; then
        row "$feature" "$direction" "FAIL (taken as good)"
        _tell "$feature"
    elif grep -qiE -- "$pattern" "$WORK/.said"; then
        row "$feature" "$direction" ok
    else
        row "$feature" "$direction" "FAIL (not for the reason meant: $pattern)"
        _tell "$feature"
    fi
}

# Hands FILE in at ALDER as PERSON, and wants the reply to match PATTERN.
answers() { # FEATURE PATTERN PERSON FILE RECIPIENT...
    local feature=$1 pattern=$2 person=$3 file=$4 reply
    shift 4
    reply=$(python3 "$INTEROP/submit.py" "${CONFIG:-$DEMO/config/alder.toml}" "${PKI:-$ALDER}" \
        "$person" "$file" "$@" 2>"$WORK/.said") || reply="no reply: $(tail -n 1 "$WORK/.said")"
    if [[ $reply =~ $pattern ]]; then
        row "$feature" "$THEIRS" ok
    else
        row "$feature" "$THEIRS" "FAIL (wanted $pattern; said ${reply//$'\t'/ })"
        echo "--- $PEER: $feature: $reply" >&2
        return 1
    fi
}

# The first message in a mailbox folder of the demo that holds TEXT; waits up to 10 s for it.
arrived() { # FOLDER TEXT
    local found
    for _ in $(seq 50); do
        found=$(grep -laF -- "$2" "$1"/*.eml 2>/dev/null | head -n 1)
        [[ -n $found ]] && { echo "$found"; return 0; }
        sleep 0.2
    done
    echo "nothing with $2 arrived in $1" >&2
    return 1
}

# Whether files.sh made its files; if not, one row says so.
files_there() {
    [[ -d $FILES/made ]] && return 0
    skip "what the commands make and read" both "this ravelin has no seal command"
    return 1
}

# What `ravelin inspect` and `ravelin open` say of a file of the peer's. OPTION... comes last.
inspect() { # FILE OPTION...
    local file=$1
    shift
    "$RAVELIN" inspect "$file" --trust "$FILES/ca.pem" --format json "$@"
}

# Signed by WHO (a common name each, in any order), every signature good, and nothing else is wrong.
inspected() { # FEATURE FILE "WHO..." OPTION...
    local feature=$1 file=$2 who=$3
    shift 3
    passes "$feature" "$THEIRS" _inspected "$file" "$who" "$@"
}

_inspected() {
    local file=$1 who=$2
    shift 2
    inspect "$file" "$@" >"$WORK/.inspected" || { cat "$WORK/.inspected"; return 1; }
    python3 - "$WORK/.inspected" "$who" <<'END'
import json, sys
said = json.load(open(sys.argv[1]))
found = [one["subject"].split(",")[0].removeprefix("CN=") for layer in said["layers"] for one in layer["signers"]]
assert said["good"] and sorted(found) == sorted(sys.argv[2].split()), found
END
}

# The negative twin: PATTERN must stand in what inspect says, and the file is not good.
not_inspected() { # FEATURE FILE PATTERN OPTION...
    local feature=$1 file=$2 pattern=$3
    shift 3
    refuses "$feature" "$THEIRS" "$pattern" inspect "$file" "$@"
}

# What `ravelin open` takes out of FILE is CONTENT, octet for octet.
opened() { # FEATURE FILE CONTENT OPTION...
    local feature=$1 file=$2 content=$3
    shift 3
    passes "$feature" "$THEIRS" _opened "$file" "$content" "$@"
}

_opened() {
    local file=$1 content=$2
    shift 2
    rm -f "$WORK/.opened"
    "$RAVELIN" open "$file" "$@" --out "$WORK/.opened" && cmp "$WORK/.opened" "$content"
}

not_opened() { # FEATURE FILE PATTERN OPTION...
    local feature=$1 file=$2 pattern=$3
    shift 3
    refuses "$feature" "$THEIRS" "$pattern" "$RAVELIN" open "$file" "$@" --out "$WORK/.opened"
}
