"""MCP: the operations as tools and the pages as prompts, over the socket behind the shim.

What belongs here: framing, sessions, and what a model reads. What an operation does is in tools.
"""

from orchestrate.server.mcp.door import McpDoor

__all__ = ["McpDoor"]
