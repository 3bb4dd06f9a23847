ts_unit_test(device heap LINK ts_device)
ts_unit_test(device holders LINK ts_device)
ts_unit_test(device isa LINK ts_device)
ts_unit_test(device place LINK ts_device)
