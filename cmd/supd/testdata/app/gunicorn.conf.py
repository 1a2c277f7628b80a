workers = @WORKERS@
graceful_timeout = 5


def post_request(worker, request, environ, response):
    import fault  # in the worker: some cannot be imported

    fault.post_request(environ)
