"""`agent paper`: the tables of the papers that Augur follows, run cell by cell beside the printed numbers.

`protocol` reads what a table is (protocols/*.yaml), `cells` says what each of its cells trains, `running` trains them
by what `agent train`, `agent run` and `agent evaluate` are made of, `layout` puts the numbers where the paper has
them, and `writing` shows them.
"""
