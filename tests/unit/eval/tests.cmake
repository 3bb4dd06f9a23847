ts_unit_test(eval eval LINK ts_eval ts_io)
# Programs run under limits of memory that sanitizers do not live with.
ts_unit_test(eval python NO_SANITIZE LINK ts_eval)
set_tests_properties(unit/eval/python PROPERTIES SKIP_RETURN_CODE 77)
