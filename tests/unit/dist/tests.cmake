ts_unit_test(dist self LINK ts_dist)
ts_unit_test(dist sim LINK ts_dist)
ts_unit_test(dist watchdog LINK ts_dist)
ts_unit_test(dist options LINK ts_dist)
