"""The office of WorkplaceAssistant: tables, 27 tools, and the comparison of final states."""
