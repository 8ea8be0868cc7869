"""The edge: one Traefik per public port, driven by files that are renamed into place.

What belongs here: dividing requests between addresses, and counting them. It knows no process of
an application and no platform; a provider tells it which addresses a revision has. There is no
admin port: whoever can write the 0700 directory owns the traffic.
"""

from orchestrate.providers.edge.document import Backend, Present, Traffic
from orchestrate.providers.edge.edge import Edge
from orchestrate.providers.edge.front import Front
from orchestrate.providers.edge.place import Place, own_place, place_of, slug_of

__all__ = [
    "Backend",
    "Edge",
    "Front",
    "Place",
    "Present",
    "Traffic",
    "own_place",
    "place_of",
    "slug_of",
]
