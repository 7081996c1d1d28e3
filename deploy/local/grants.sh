#!/usr/bin/env bash
# grants.sh MEMBERS TENANT: the coupon example of demo.sh. Two coupons for each member, submitted from a
# csv into a group; when the last grant is done, the group's follow-up tells a marketing service, which
# this starts, how many there are. Ends with an error where a count differs.
#
# Wants QUAYSIDE_URL and QUAYSIDE_TOKEN, as `./dev env` and `./dev token` give them.
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# = 2 ] || die "usage: grants.sh MEMBERS TENANT"
members=$1 tenant=$2
grants=$((members * 2))
batch="demo-$(date +%Y%m%d%H%M%S)"
folder="$LOCAL/demo/$batch"
mkdir -p "$folder"

quay() { "${CARGO_TARGET_DIR:-$ROOT/target}/debug/quay" "$@"; }
field() { /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

on_every_way_out marketing_goes
marketing_goes() {
    stop_child
    stop marketing 5
}
spawn marketing "marketing.py $folder/port" \
    /usr/bin/python3 "$HERE/marketing.py" "$folder/port" "$folder/counts"
wait_until marketing 10 test -s "$folder/port" || die "the marketing service did not start"

awk -v members="$members" 'BEGIN {
    print "member,coupon"
    for (n = 1; n <= members; n++) printf "M%09d,TEN_OFF\nM%09d,FREE_TEA\n", n, n
}' >"$folder/grants.csv"
say "Granting $grants coupons to $members members of $tenant, from $folder/grants.csv:"
follow="{\"biz_type\": \"callback\", \"context\": {\"url\": \"http://127.0.0.1:$(<"$folder/port")/granted\"}}"
started=$SECONDS
group="$(quay compensations submit "$folder/grants.csv" --biz-type coupon_grant \
    --biz-id "$batch/{member}/{coupon}" --context "{\"batch\": \"$batch\"}" \
    --group "$batch" --seal --on-finished "$follow" --json | field group_id)"
child quay compensations group "$group" --wait >&2
say "All are done after $((SECONDS - started)) s."
wait_until marketing 60 test -s "$folder/counts" || die "the marketing service was told nothing"
told="$(head -n 1 "$folder/counts" | field succeeded)"
rows="$(quay export coupon_grant --filter "batch=$batch" --force --wait --json | /usr/bin/python3 -c \
    'import json, sys; print(json.load(sys.stdin)["progress"]["done_rows"])')"
[ "$rows" = "$grants" ] || die "$rows of $grants coupons are in the table"
[ "$told" = "$grants" ] || die "the marketing service was told of $told coupons, not of $grants"
say "$rows coupons are in the table, each once, and the marketing service was told of $told."
