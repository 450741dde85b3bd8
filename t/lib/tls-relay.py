#!/usr/bin/python3

# Copyright (C) The codeexec authors.

"""TLS in front of a fake PostgreSQL: tls-relay.py port server-port crt key

What the server sends at once becomes one TLS record, up to 16 kB, as is the
way of proxies; PostgreSQL itself makes records of 8 kB.
"""

import select
import signal
import socket
import ssl
import sys
import threading

port, server, crt, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(crt, key)


def relay(client):
    client.recv(8, socket.MSG_WAITALL)  # SSLRequest
    client.sendall(b"S")
    client = context.wrap_socket(client, server_side=True)
    fake = socket.create_connection(("127.0.0.1", int(server)))
    other = {client: fake, fake: client}

    while True:
        for source in select.select(list(other), [], [])[0]:
            data = source.recv(1 << 16)
            while source is client and client.pending():
                data += client.recv(client.pending())
            if not data:
                client.close()
                fake.close()
                return
            other[source].sendall(data)


def quietly(client):
    try:
        relay(client)
    except OSError:
        pass


signal.alarm(120)  # should the test forget it
listener = socket.create_server(("127.0.0.1", int(port)), backlog=100)
while True:
    threading.Thread(target=quietly, args=[listener.accept()[0]],
                     daemon=True).start()
