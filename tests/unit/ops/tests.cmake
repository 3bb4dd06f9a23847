ts_unit_test(ops attention LINK ts_ops)
ts_unit_test(ops narrow LINK ts_ops)
ts_unit_test(ops distill LINK ts_ops)
ts_unit_test(ops judge LINK ts_ops)
