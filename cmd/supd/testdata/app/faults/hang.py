"""This release waits for something before it answers."""
import signal

print("waiting for the database", flush=True)
signal.pause()
