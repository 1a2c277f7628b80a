"""This release's gunicorn lives, but each of its workers takes memory at every
request until it is killed, between two requests."""
import os
import resource
import signal

HELD = []
LIMIT = 512 << 20

resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))


def health():
    return "200 OK"


def post_request(environ):
    try:
        HELD.append(bytearray(64 << 20))
    except MemoryError:
        print("out of memory", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
