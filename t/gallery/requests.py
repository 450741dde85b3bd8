# needs: requests
# The library is there, the network is not: it fails at once and cleanly.

import http.client
import smtplib
import socket
import time
import urllib.request

import requests

began = time.monotonic()
for what in (lambda: requests.get('https://example.com/', timeout=5),
             lambda: requests.get('http://127.0.0.1:8080/', timeout=5),
             lambda: requests.get('http://[::1]/', timeout=5)):
    try:
        what()
    except requests.exceptions.ConnectionError:
        print('ConnectionError')
for what in (lambda: urllib.request.urlopen('http://192.0.2.1/', timeout=5),
             lambda: http.client.HTTPConnection('localhost').request('GET', '/'),
             lambda: smtplib.SMTP('localhost'),
             lambda: socket.create_connection(('192.0.2.1', 53), 5),
             lambda: socket.getaddrinfo('example.com', 80)):
    try:
        what()
    except OSError as error:
        print('OSError', isinstance(error, socket.timeout))
print(time.monotonic() - began < 5)

request = requests.Request('POST', 'http://x/', json={'a': [1]}).prepare()
print(request.method, request.body, request.headers['Content-Type'])
