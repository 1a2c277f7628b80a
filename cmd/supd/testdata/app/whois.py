"""A small application whose answers tell which release gave them."""
import os
import time
from urllib.parse import parse_qs

import fault

VERSION = "@VERSION@"


def app(environ, start_response):
    path, query = environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"])
    status, body = "200 OK", VERSION
    if path == "/healthz":
        status = fault.health()
    elif path == "/lazy":
        import late  # not before it is asked for

        body = late.VERSION
    elif path == "/pid":
        body = str(os.getpid())
    body = body.encode()
    start_response(status, [("X-Version", VERSION), ("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return slowly(body, int(query["ms"][0]) / 1000) if path == "/slow" else [body]


def slowly(body, seconds):
    yield body[:1]  # whoever has it knows that he is being answered
    time.sleep(seconds)
    yield body[1:]
