# The application of the day: a page, and a task for the worker.
import os

import celery

VERSION = "@VERSION@"

tasks = celery.Celery("whois", broker="redis://127.0.0.1/0")
tasks.conf.broker_connection_retry_on_startup = True


@tasks.task
def note(word):
    with open("/srv/whois/notes", "a") as f:
        f.write(word + "\n")


def wsgi(environ, start_response):
    body = (os.environ.get("GREETING", "hello") + " from " + VERSION + "\n").encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    print("served", environ["PATH_INFO"], flush=True)
    return [body]
