"""This release gets ready and dies after two hundred requests, between two of them."""
import os
import signal

served = 0


def health():
    return "200 OK"


def post_request(environ):
    global served
    served += environ["PATH_INFO"] != "/healthz"
    if served == 200:
        print("corrupted, aborting", flush=True)
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
