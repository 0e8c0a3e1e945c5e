"""Real sockets: servers in their own processes beside each other, under one load. `python -m benchmarks.wire`."""
