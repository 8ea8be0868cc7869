"""Questions asked before and after a change, one file each; a check answers with evidence.

A check only looks: it changes nothing, and it never decides what happens next.
"""
