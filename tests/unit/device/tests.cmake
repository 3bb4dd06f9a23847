ts_unit_test(device heap LINK ts_device)
