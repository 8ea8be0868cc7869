"""What several providers stand on to find and pin artifacts: registries of images.

What belongs here: reading a registry by its HTTP API. What does not: running anything of it.
"""
