"""Forges: where a repository's commits are checked and scanned. One file each."""
