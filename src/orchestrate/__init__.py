"""Plans, validates, deploys, verifies, rolls back and releases software, for an agent or a person.

Only the version lives here: importing this package must cost nothing, because the MCP shim and the
hot commands start from it.
"""

# Written out, not read with importlib.metadata: that import alone costs a client 30 ms.
__version__ = "0.1.0"
