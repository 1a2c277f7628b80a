"""This release gets ready, and after a hundred requests it answers its health path with errors."""
served = 0


def health():
    if served < 100:
        return "200 OK"
    print("lost the database", flush=True)
    return "500 Internal Server Error"


def post_request(environ):
    global served
    served += environ["PATH_INFO"] != "/healthz"
