# Answers which release it is of; at /late, of which one it is given a module that it
# has not needed until then.
VERSION = "@VERSION@"


def app(environ, start_response):
    version = VERSION
    if environ["PATH_INFO"] == "/late":
        import late

        version = late.VERSION
    body = version.encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
