"""The service and its doors: the socket it listens on, MCP, and who is asking.

Doors translate between a protocol and a tool's models. What an operation does belongs in tools.
"""
