"""Operations: one typed function each, pydantic in and out, and the one list TOOLS.

What belongs here: turning names into records, planning, asking the engine, answering with
documents. What does not: protocols (server), carrying out (engine), printing (cli).
"""
