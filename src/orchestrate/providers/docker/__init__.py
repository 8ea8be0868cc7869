"""The docker provider: an application's containers on one Docker engine, behind the edge.

What belongs here: pinning and pulling images, and the containers of each revision. How traffic is
divided is in `providers.edge`. docker-py is imported by `engine` alone, when it is first needed.
"""

from orchestrate.providers.docker.provider import DockerProvider

__all__ = ["DockerProvider"]
