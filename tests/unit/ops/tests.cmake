ts_unit_test(ops attention LINK ts_ops)
