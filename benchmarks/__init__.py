"""What each step of a connection costs, in CPU time and in instructions, with the peers beside us. See README.md."""
