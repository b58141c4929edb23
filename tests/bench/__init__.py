# A create with this header counts against the budgets of its key and of its team: the bare server writes rows for them, too.
BUDGETED = "x-bench-budgets"
