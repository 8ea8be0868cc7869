"""What each command does: `function(session, given) -> exit code`."""
