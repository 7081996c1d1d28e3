#!/usr/bin/env bash
# install.sh PART...: what is missing on a fresh Debian 12 with a Rust toolchain; quick when nothing is.
#
#   build  what the crates are built with (librdkafka by cmake, which reads curl's headers; OpenSSL, zlib)
#   mysql  MySQL 9        kafka  Kafka 4 and Java
#   readers  the other reader of workbooks that the tests compare with (openpyxl)
#   look   what ./dev demo needs to look into a workbook
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for part in "$@"; do
    case "$part" in
    build)
        command -v cargo >/dev/null || die "there is no cargo: install a Rust toolchain first (rust-toolchain.toml says which)"
        need_packages ca-certificates cmake g++ make pkg-config libssl-dev libcurl4-openssl-dev zlib1g-dev
        ;;
    mysql) "$HERE/mysql.sh" install ;;
    kafka) "$HERE/kafka.sh" install ;;
    readers) need_packages python3-openpyxl ;;
    look) need_packages unzip ;;
    *) die "usage: install.sh build|mysql|kafka|readers|look ..." ;;
    esac
done
