ts_unit_test(tensor param LINK ts_tensor)
