"""A real Docker engine for tests: one that runs, or one that is started; and images made here."""
