ts_unit_test(report series LINK ts_report)
ts_unit_test(report page LINK ts_report)
