"""What every family stands on; modules are imported by name, nothing is here."""
