"""Adapters to the platforms that run software, one file or folder each, and the edge beside them.

A provider carries out single effects on one platform. It knows no other provider, no strategy, and
not the store; built-ins are found by the same entry points as anyone else's.
"""
