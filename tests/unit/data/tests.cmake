ts_unit_test(data indexed LINK ts_data)
ts_unit_test(data order LINK ts_data)
ts_unit_test(data source LINK ts_data)
