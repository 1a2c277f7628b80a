"""This release gets ready, and answers its health path with errors after a while."""
import time

began = time.monotonic()


def health():
    if time.monotonic() - began < 1:
        return "200 OK"
    print("lost the database", flush=True)
    return "500 Internal Server Error"


def post_request():
    pass
