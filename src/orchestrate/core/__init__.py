"""The words of a deployment as frozen types, and the pure functions over them.

No I/O, no clock, no environment, no third-party I/O belongs here: whatever has to be asked of the
world arrives as an argument, so everything here can be tested by calling it.
"""
