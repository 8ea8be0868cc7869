"""The smallest Python MCP server there is: one tool, on standard input and output."""

from mcp.server import MCPServer

server = MCPServer("one")


@server.tool()
def echo(text: str) -> str:
    """Says it again."""
    return text


if __name__ == "__main__":
    server.run()
