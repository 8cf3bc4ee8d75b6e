"""`agent compare`: arms race on the same data, model, splits and seeds, each with the same budget.

`arms` reads what is to be compared, `plan` says what that takes, `cells` runs one search up to its choice, `race` runs
them all, opens the test set when every arm has chosen, and `outcome` and `writing` say what came of it.
"""
