"""Environments, a folder a domain and a module each; `gym_llm.registration` names them as strings."""
