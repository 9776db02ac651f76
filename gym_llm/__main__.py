"""``python -m gym_llm``: the command line."""

import sys

from gym_llm.cli import main

if __name__ == "__main__":
    sys.exit(main())
