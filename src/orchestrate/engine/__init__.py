"""Carries plans out, durably: the only folder that imports dbos.

Leases, workflows and the worker belong here. What to do is decided by core's plan, how it is done
by the provider, which is handed in.
"""
