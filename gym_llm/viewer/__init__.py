"""Looking at a run: a page for the browser, and a browser for the terminal."""

from gym_llm.viewer.page import PageFacts, write_page

__all__ = ["PageFacts", "write_page"]
