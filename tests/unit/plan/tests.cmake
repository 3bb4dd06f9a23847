ts_unit_test(plan simulate LINK ts_plan)
ts_unit_test(plan hardware LINK ts_plan)
ts_unit_test(plan choose LINK ts_plan)
