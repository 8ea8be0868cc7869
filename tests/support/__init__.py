"""What tests share: real parts, homes, snapshots, load. No test lives here."""
