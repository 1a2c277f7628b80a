"""Nothing is wrong with this release."""


def health():
    return "200 OK"


def post_request(environ):
    pass
