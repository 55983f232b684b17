"""Measurements beside peers: `python -m bench [names...] [--quick] [--json] [--strict]`.

Every module with `run(quick) -> list of rows` is a bench. Ratios are what counts; absolute numbers belong to
the machine. A row is {name, ours, peer, ratio, unit, target}; a target `<= x` is judged on the ratio, or on
`ours` where there is no peer; `report` judges nothing.
"""
