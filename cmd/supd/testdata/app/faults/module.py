"""This release needs what is not installed."""
import a_module_that_is_not_there
