ts_unit_test(serve calls LINK ts_serve)
ts_unit_test(serve settings LINK ts_serve)
