#!/usr/bin/env bash
# MySQL 9 on a bare Linux machine: the program comes from Debian sid, unpacked into the cache
# beside its own C library, so nothing of the machine's own system changes.
#
#   mysql.sh install              fetch and unpack once for all clones, print the version
#   mysql.sh start|stop main|test one server per checkout and name, on a port of its own
#   mysql.sh url main|test        mysql://root@127.0.0.1:PORT
#
# `main` is durable (sync_binlog=1, redo flushed at every commit) and keeps its data.
# `test` is thrown away at each start, relaxed in durability, and in memory when there is room.
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HOME_DIR="$CACHE/mysql"
SUITE=sid
TEST_NEEDS_KIB=$((6 * 1024 * 1024)) # free space under /dev/shm that makes the test data live there

# the program runs through its own loader; sets PROGRAM for a tree
program_in() {
    local tree=$1 loader libs
    loader="$(find "$tree/usr/lib" "$tree/usr/lib64" -name 'ld-linux*.so.*' 2>/dev/null | head -n 1)"
    libs="$(dirname "$(find "$tree/usr/lib" -name 'libc.so.6' | head -n 1)")"
    PROGRAM=("$loader" --library-path "$libs:$tree/usr/lib/mysql/private" "$tree/usr/sbin/mysqld")
    BASE=("--basedir=$tree/usr" "--lc-messages-dir=$tree/usr/share/mysql"
        "--character-sets-dir=$tree/usr/share/mysql/charsets" "--plugin-dir=$tree/usr/lib/mysql/plugin"
        "--secure-file-priv=" --mysqlx=OFF)
    if [ "$(id -u)" = 0 ]; then BASE+=(--user=root); fi
}

# Packages are only unpacked, never configured: no chroot, no mounts, works inside a container.
unpack() {
    local work=$1 deb
    as_root debootstrap --download-only --variant=minbase --include=mysql-server-core "$SUITE" "$work/download" &&
        mkdir -p "$work/tree" &&
        for deb in "$work"/download/var/cache/apt/archives/*.deb; do
            dpkg-deb --extract "$deb" "$work/tree" || return 1
        done &&
        as_root rm -rf "$work/download"
}

initialize() {
    local tree=$1 into=$2
    program_in "$tree"
    "${PROGRAM[@]}" --no-defaults "${BASE[@]}" --datadir="$into" --innodb-redo-log-capacity=8M --initialize-insecure
}

version_of() {
    program_in "$1"
    "${PROGRAM[@]}" --no-defaults --version | sed -E 's/.*Ver ([0-9]+\.[0-9]+\.[0-9]+).*/\1/'
}

install_mysql() {
    local work version
    exec 9>"$CACHE/mysql.lock"
    flock 9
    if [ ! -x "$HOME_DIR/tree/usr/sbin/mysqld" ]; then
        need_packages debootstrap
        rm -rf "$CACHE"/mysql.tmp.*
        work="$(mktemp -d "$CACHE/mysql.tmp.XXXXXX")"
        step "MySQL server from Debian $SUITE" mysql-unpack unpack "$work"
        step "MySQL data directory template" mysql-initialize initialize "$work/tree" "$work/template"
        rm -rf "$HOME_DIR"
        mv "$work" "$HOME_DIR"
    fi
    version="$(version_of "$HOME_DIR/tree")" ||
        die "MySQL in $HOME_DIR does not run; remove that directory and try again"
    exec 9>&-
    case "$version" in
    9.*) say "  MySQL $version" ;;
    *) die "MySQL 9 is needed, but $HOME_DIR holds \"$version\"; remove that directory and try again" ;;
    esac
}

write_settings() {
    local name=$1 dir=$2 port=$3
    # root may come in over TCP; --skip-name-resolve makes 127.0.0.1 another host than localhost
    cat >"$dir/init.sql" <<-SQL
		CREATE USER IF NOT EXISTS root@'127.0.0.1';
		GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
		CREATE DATABASE IF NOT EXISTS quayside CHARACTER SET utf8mb4;
	SQL
    cat >"$dir/my.cnf" <<-CNF
		[mysqld]
		datadir=$dir/data
		socket=mysql.sock
		pid-file=mysql.pid
		init-file=$dir/init.sql
		bind-address=127.0.0.1
		port=$port
		skip-name-resolve=ON
		local-infile=ON
		character-set-server=utf8mb4
		log-bin=binlog
		max-binlog-size=128M
		binlog-expire-logs-seconds=86400
		innodb-buffer-pool-size=512M
		innodb-redo-log-capacity=512M
		max-allowed-packet=64M
		max-connections=1000
		max-connect-errors=1000000
	CNF
    if [ "$name" = test ]; then
        cat >>"$dir/my.cnf" <<-CNF
			sync-binlog=0
			innodb-flush-log-at-trx-commit=2
			innodb-doublewrite=OFF
			# a database for each test: a definition that was dropped from the cache makes the server
			# refuse statements that were prepared with it (1615)
			table-definition-cache=20000
			table-open-cache=8000
		CNF
    else
        cat >>"$dir/my.cnf" <<-CNF
			sync-binlog=1
			innodb-flush-log-at-trx-commit=1
		CNF
    fi
}

# The directory of an instance. The test one is recorded, so that a later start finds and removes it.
directory_of() {
    local name=$1 room
    if [ "$name" = main ]; then
        echo "$LOCAL/mysql"
        return
    fi
    if [ ! -s "$LOCAL/mysql-test.dir" ]; then
        room="$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1)" || room=0
        if [ "${room:-0}" -ge "$TEST_NEEDS_KIB" ]; then
            mktemp -d /dev/shm/quayside-test.XXXXXX >"$LOCAL/mysql-test.dir"
        else
            echo "$LOCAL/mysql-test" >"$LOCAL/mysql-test.dir"
        fi
    fi
    cat "$LOCAL/mysql-test.dir"
}

drop_test_data() {
    if [ -s "$LOCAL/mysql-test.dir" ]; then
        rm -rf "$(<"$LOCAL/mysql-test.dir")"
        rm -f "$LOCAL/mysql-test.dir"
    fi
}

# the greeting of a server that takes connections carries its version
greets() {
    timeout 2 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1 && head -c 12 <&3 | tr -d '\\0' | grep -q '9\\.'"
}

start_mysql() {
    local name=$1 dir port
    if running "mysql-$name"; then return 0; fi
    exec 8>"$CACHE/start.lock" # one server at a time looks for a free port
    flock 8
    forget "mysql-$name"
    if [ "$name" = test ]; then drop_test_data; fi
    dir="$(directory_of "$name")"
    mkdir -p "$dir"
    if [ ! -d "$dir/data" ]; then
        rm -rf "$dir/data.new"
        cp -a --reflink=auto "$HOME_DIR/template" "$dir/data.new"
        rm -f "$dir/data.new/auto.cnf"
        mv "$dir/data.new" "$dir/data"
    fi
    rm -f "$dir"/data/mysql.sock* # a killed server leaves a lock that the next one would believe
    port="$(free_port "mysql-$name" "$([ "$name" = test ] && echo 23406 || echo 23306)")"
    write_settings "$name" "$dir" "$port"
    program_in "$HOME_DIR/tree"
    spawn "mysql-$name" "--defaults-file=$dir/my.cnf" "${PROGRAM[@]}" "--defaults-file=$dir/my.cnf" "${BASE[@]}"
    wait_until "mysql-$name" 120 greets "$port" || die "MySQL ($name) did not start"
    exec 8>&-
}

stop_mysql() {
    stop "mysql-$1" 60
    if [ "$1" = test ]; then drop_test_data; fi
}

case "${1:-} ${2:-}" in
"install ") install_mysql ;;
"start main" | "start test") start_mysql "$2" ;;
"stop main" | "stop test") stop_mysql "$2" ;;
"url main" | "url test") echo "mysql://root@127.0.0.1:$(<"$LOCAL/ports/mysql-$2")" ;;
*) die "usage: mysql.sh install | start|stop|url main|test" ;;
esac
