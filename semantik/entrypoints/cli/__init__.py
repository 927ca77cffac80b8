"""The `semantik` command. Modules here import light things only; what is heavy is imported by the command that runs."""
