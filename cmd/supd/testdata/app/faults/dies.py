"""This release gets ready and dies two seconds later, between two requests."""
import os
import signal
import time

began = time.monotonic()


def health():
    return "200 OK"


def post_request():
    if time.monotonic() - began > 2:
        print("corrupted, aborting", flush=True)
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
