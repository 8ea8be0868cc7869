"""The Markdown an agent reads, and the function that loads it.

Text only: no decision is taken here.
"""
