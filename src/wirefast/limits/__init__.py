"""What clients may do: who may connect (``origins``, ``admission``), how many and how long (``limits``, ``rates``,
``sockets``), and how much an HTTP body may hold (``bodies``). ``counters`` counts what was refused."""
