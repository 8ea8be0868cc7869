"""The tests of Orchestrate; folders mirror src/orchestrate/."""
