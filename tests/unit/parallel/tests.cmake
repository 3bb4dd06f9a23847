ts_unit_test(parallel schedule LINK ts_parallel)
ts_unit_test(parallel schedule_check LINK ts_parallel)
ts_unit_test(parallel recompute LINK ts_parallel)
ts_unit_test(parallel schedule_picture LINK ts_parallel)
