"""One typed function per operation: pydantic in, pydantic out.

Names become records here and the engine is asked to act. Every door (MCP, CLI, later REST and the
dashboard) is made from these functions and adds no logic of its own.
"""
