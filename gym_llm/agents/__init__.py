"""Who acts: baselines, people, heuristics for the games, and models behind an endpoint."""
