#!/usr/bin/env bash
# demo.sh [--rows N] [--kafka]: an export from submit to download, an import from a workbook with faults
# to the last row, and two coupons for each of 20,000 members, shown to a person.
#
# Starts what it needs and stops it again on every way out; a system that `./dev up` runs is
# used and left running. The rows are those of a tenant of its own: nobody's are touched.
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

USAGE="usage: ./dev demo [--rows N] [--kafka]"
TENANT=demo
MEMBERS=20000 FAULTS=200
rows=100000
broker=embedded
while [ $# -gt 0 ]; do
    case "$1" in
    --rows)
        [ $# -ge 2 ] || die "--rows takes a number above 0; $USAGE"
        rows=$2
        shift
        ;;
    --rows=*) rows=${1#--rows=} ;;
    --kafka) broker=kafka ;;
    *) die "$USAGE" ;;
    esac
    shift
done
[[ "$rows" =~ ^[1-9][0-9]*$ ]] || die "--rows takes a number above 0; $USAGE"

quay() { "${CARGO_TARGET_DIR:-$ROOT/target}/debug/quay" "$@"; }

at_exit() {
    stop_child
    say "Stopping the servers ..."
    "$HERE/services.sh" stop
    say "Stopped."
}

running_now="$("$HERE/services.sh" status)"
if [[ "$running_now" = without* ]]; then
    die "a ./dev up runs here $running_now (logs: $LOG); stop the rest first: ./dev down"
elif [ "$running_now" = none ]; then
    take_turn
    on_every_way_out at_exit
    child "$HERE/services.sh" prepare "$broker"
    QUAYSIDE_ANY_HTTP_PORT=1 child "$HERE/services.sh" start "$broker"
else
    if [ "$broker" = kafka ] && [ "$running_now" != kafka ]; then
        die "./dev up runs with the embedded broker; stop it first: ./dev down"
    fi
    say "Using the system that ./dev up runs."
fi
"$HERE/install.sh" look readers

eval "$("$HERE/services.sh" env)"
export QUAYSIDE_DATASETS="$ROOT/deploy/datasets"
say "Filling employee with $rows rows:"
child quay seed employee --rows "$rows" --tenant "$TENANT"
QUAYSIDE_TOKEN="$("$HERE/services.sh" token --user 7 --role MANAGER --tenant "$TENANT")"
export QUAYSIDE_TOKEN
mkdir -p "$LOCAL/demo"
marker="$(mktemp "$RUN/demo.XXXXXX")"
say "Exporting:"
child quay export employee --force --wait -o "$LOCAL/demo/"
file="$(find "$LOCAL/demo" -name '*.xlsx' -newer "$marker" -print | sort | tail -n 1)"
rm -f "$marker"
[ -n "$file" ] || die "the export brought no file"
"$HERE/look.sh" "$file"

say "Importing $MEMBERS members, $FAULTS of them with a fault:"
child quay seed member --rows 1 --tenant "$TENANT" # takes away what an earlier demo imported
folder="$(mktemp -d "$LOCAL/demo/import.XXXXXX")"
/usr/bin/python3 "$HERE/workbook.py" make "$folder/members.xlsx" "$MEMBERS" "$FAULTS"
status=0
child quay import member "$folder/members.xlsx" -o "$folder/failed.xlsx" || status=$?
[ "$status" = 6 ] || die "an import with faults ends with exit code 6, this one with $status"
"$HERE/look.sh" "$folder/failed.xlsx"
say "Mending them by program, and importing the same file once more:"
/usr/bin/python3 "$HERE/workbook.py" mend "$folder/failed.xlsx" "$folder/mended.xlsx" >&2
child quay import member "$folder/mended.xlsx" --wait
rows="$(quay export member --filter 'member_no^=D' --force --wait --json |
    /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["progress"]["done_rows"])')"
[ "$rows" = "$MEMBERS" ] || die "$rows of $MEMBERS members are in the table"
say "All $MEMBERS members are in the table. The files: $folder"

child "$HERE/grants.sh" "$MEMBERS" "$TENANT"
