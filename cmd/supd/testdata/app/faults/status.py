"""This release answers its health path with an error, from the first time on."""


def health():
    print("no database", flush=True)
    return "500 Internal Server Error"


def post_request(environ):
    pass
