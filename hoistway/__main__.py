"""`python -m hoistway` is the command `hoistway`."""

from hoistway.cli import main

main()
