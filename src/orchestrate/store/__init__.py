"""What outlives a process: tables, sessions and migrations, one file per subject.

SQL belongs here and nowhere else; what the rows mean is decided in core, and who may write them in
engine.
"""
