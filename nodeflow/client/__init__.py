"""Typed client of a nodeflow server; needs neither torch nor a server of its own."""
