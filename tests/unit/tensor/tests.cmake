ts_unit_test(tensor param LINK ts_tensor)
ts_unit_test(tensor place LINK ts_tensor)
