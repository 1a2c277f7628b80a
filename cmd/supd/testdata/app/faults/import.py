"""This release exits while it is imported."""
import sys

print("the settings are not there", file=sys.stderr, flush=True)
sys.exit(5)
