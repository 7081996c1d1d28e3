#!/usr/bin/env python3
"""A marketing service for ./dev demo: it is told how many coupons a group came to, and keeps it.

  marketing.py PORT_FILE COUNTS_FILE

Listens on a free port of 127.0.0.1 and writes it to PORT_FILE. A POST whose body has a `group`
becomes a line of COUNTS_FILE (the group, as JSON), once for each Idempotency-Key: what is told
twice counts once.
"""
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT_FILE, COUNTS_FILE = sys.argv[1:]
known = set()


class Marketing(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        group = json.loads(self.rfile.read(length)).get("group")
        key = self.headers.get("Idempotency-Key")
        if group is None or key is None:
            self.answer(400)
            return
        if key not in known:
            with open(COUNTS_FILE, "a", encoding="utf-8") as counts:
                counts.write(json.dumps(group) + "\n")
                counts.flush()
                os.fsync(counts.fileno())
            known.add(key)
        self.answer(200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Marketing)
with open(PORT_FILE + ".new", "w", encoding="utf-8") as port:
    port.write(str(server.server_port))
os.rename(PORT_FILE + ".new", PORT_FILE)
server.serve_forever()
