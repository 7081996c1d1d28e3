# Sourced after lib.sh, by scripts that set BIN, and HANDLERS if it is not deploy/handlers: the broker that services ring on, and whether a
# service is ready.
# shellcheck shell=bash

# start_broker embedded|kafka
start_broker() {
    if [ "$1" = kafka ]; then
        "$HERE/kafka.sh" start main
        step "topics" topics "$BIN/quay" topics create --replication 1 --partitions 4 \
            --kafka "$("$HERE/kafka.sh" brokers main)" --datasets "$ROOT/deploy/datasets" \
            --handlers "${HANDLERS:-$ROOT/deploy/handlers}"
    else
        rm -f "$RUN/broker.addr"
        spawn broker "$RUN/broker.addr" \
            "$BIN/quay" broker --address-file "$RUN/broker.addr" --datasets "$ROOT/deploy/datasets" \
            --handlers "${HANDLERS:-$ROOT/deploy/handlers}"
        wait_until broker 30 test -s "$RUN/broker.addr" || die "the embedded broker did not start"
    fi
}

# What [kafka] says besides the brokers. The embedded broker answers a waiting fetch only when its wait
# is over, a real one as soon as there is something.
kafka_client() { if [ "$1" = embedded ]; then echo 'client = { "fetch.wait.max.ms" = "10" }'; fi; }

brokers() { if [ "$1" = kafka ]; then "$HERE/kafka.sh" brokers main; else cat "$RUN/broker.addr"; fi; }

is_ready() {
    # shellcheck disable=SC2016 # the inner shell expands it
    timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0
        printf "GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n" >&3
        head -n 1 <&3 | grep -q " 200"' "$1"
}
