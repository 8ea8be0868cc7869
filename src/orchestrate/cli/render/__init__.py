"""Screens as pure functions: a document in, lines out, at a width.

Nothing here prints, asks, or knows the time: the present moment is an argument.
"""
