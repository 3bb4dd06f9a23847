ts_unit_test(train checkpoint LINK ts_checkpoint)
