"""What several providers and the checks must know of artifacts: registries, commits, signatures.

What belongs here: reading what an artifact is and who vouches for it. What does not: putting it in
place, which each provider does in its own way.
"""
