"""`python -m atomizer`: the same as the `atomizer` command."""

from atomizer.cli.main import main

main()
