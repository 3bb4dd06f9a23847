ts_unit_test(infer sample LINK ts_infer)
ts_unit_test(infer generate LINK ts_infer)
ts_unit_test(infer detok LINK ts_infer)
ts_unit_test(infer config LINK ts_infer)
