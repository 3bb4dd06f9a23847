ts_unit_test(model families LINK ts_model)
ts_unit_test(model rope LINK ts_model)
ts_unit_test(model refuse LINK ts_model)
ts_unit_test(model weights LINK ts_model)
