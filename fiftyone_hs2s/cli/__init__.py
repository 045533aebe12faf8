"""The ``hs2s`` command: one file a subcommand, arguments and printing only."""
