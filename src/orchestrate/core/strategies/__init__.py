"""The ways to get from one revision to another, one file each; a strategy only returns steps.

Nothing is carried out here, and no strategy knows another.
"""
