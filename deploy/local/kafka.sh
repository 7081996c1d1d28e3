#!/usr/bin/env bash
# One Kafka 4 node (KRaft) on a bare Linux machine: a Java 17 runtime and jars, nothing else.
#
#   kafka.sh install               Java, maven and the jars of kafka/pom.xml, once for all clones
#   kafka.sh start|stop main|test  one node per checkout and name, on ports of its own
#   kafka.sh brokers main|test     127.0.0.1:PORT
#
# `main` keeps its topics; `test` begins empty at each start.
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

POM="$HERE/kafka/pom.xml"
VERSION="$(sed -n 's:^  <version>\(.*\)</version>:\1:p' "$POM")"
JARS="$CACHE/kafka-$VERSION"

java_is_new_enough() {
    local version
    version="$(java -version 2>&1 | sed -nE 's/.* version "([0-9]+).*/\1/p')" || return 1
    [ "${version:-0}" -ge 17 ]
}

copy_jars() {
    mvn -B -q -f "$POM" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$1"
}

install_kafka() {
    local work
    exec 9>"$CACHE/kafka.lock"
    flock 9
    java_is_new_enough || need_packages openjdk-17-jre-headless
    if [ ! -d "$JARS" ]; then
        command -v mvn >/dev/null || need_packages maven
        rm -rf "$CACHE"/kafka.tmp.*
        work="$(mktemp -d "$CACHE/kafka.tmp.XXXXXX")"
        step "Kafka $VERSION from its jars" kafka-jars copy_jars "$work"
        [ -e "$work/kafka_2.13-$VERSION.jar" ] || die "maven brought no kafka_2.13-$VERSION.jar; see $LOG/kafka-jars.log"
        mv "$work" "$JARS"
    fi
    exec 9>&-
    say "  Kafka $VERSION"
}

write_settings() {
    local dir=$1 port=$2 controller=$3
    cat >"$dir/server.properties" <<-EOT
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@127.0.0.1:$controller
		controller.listener.names=CONTROLLER
		listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
		advertised.listeners=PLAINTEXT://127.0.0.1:$port
		listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
		log.dirs=$dir/data
		num.partitions=4
		auto.create.topics.enable=false
		default.replication.factor=1
		offsets.topic.replication.factor=1
		offsets.topic.num.partitions=4
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=4
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
		broker.session.timeout.ms=3000
		broker.heartbeat.interval.ms=500
		group.initial.rebalance.delay.ms=0
		log.retention.hours=24
	EOT
}

run_java() {
    java -cp "$JARS/*" "-Dlog4j2.configurationFile=$HERE/kafka/log4j2.properties" "$@"
}

format() {
    local id
    # a cluster id is 16 random bytes in URL-safe base64, never with a dash in front
    id="A$(head -c 16 /dev/urandom | base64 | tr '+/' '__' | cut -c2-22)"
    run_java kafka.tools.StorageTool format -t "$id" -c "$1/server.properties"
}

serves() { grep -q 'Kafka Server started' "$LOG/kafka-$1.log" && port_is_taken "$2"; }

start_kafka() {
    local name=$1 dir="$LOCAL/kafka-$1" port controller from=29092
    if running "kafka-$name"; then return 0; fi
    exec 8>"$CACHE/start.lock" # one server at a time looks for a free port
    flock 8
    forget "kafka-$name"
    if [ "$name" = test ]; then
        rm -rf "$dir"
        from=29192
    fi
    mkdir -p "$dir"
    port="$(free_port "kafka-$name" "$from")"
    controller="$(free_port "kafka-$name-controller" "$((from + 1000))")"
    write_settings "$dir" "$port" "$controller"
    if [ ! -e "$dir/data/meta.properties" ]; then
        step "format Kafka's storage ($name)" "kafka-$name-format" format "$dir"
    fi
    spawn "kafka-$name" "kafka.Kafka $dir/server.properties" \
        java -Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        -cp "$JARS/*" "-Dlog4j2.configurationFile=$HERE/kafka/log4j2.properties" \
        kafka.Kafka "$dir/server.properties"
    wait_until "kafka-$name" 120 serves "$name" "$port" || die "Kafka ($name) did not start"
    exec 8>&-
}

stop_kafka() {
    stop "kafka-$1" 60
    if [ "$1" = test ]; then rm -rf "$LOCAL/kafka-test"; fi
}

brokers() { echo "127.0.0.1:$(<"$LOCAL/ports/kafka-$1")"; }

case "${1:-} ${2:-}" in
"install ") install_kafka ;;
"start main" | "start test") start_kafka "$2" ;;
"stop main" | "stop test") stop_kafka "$2" ;;
"brokers main" | "brokers test") brokers "$2" ;;
*) die "usage: kafka.sh install | start|stop|brokers main|test" ;;
esac
