"""The parts of OpenAPI 3.1 that declarations carry: security schemes and examples."""
