"""`python -m tfgenai` is the command line."""

from tfgenai.cli.main import main

main()
