"""A client of the service: click commands, terminal output, and the MCP shim.

Nothing here opens the store or talks to a platform; hot commands use the standard library alone,
so that they start in milliseconds.
"""
