ts_unit_test(io safetensors LINK ts_io)
ts_unit_test(io st_write LINK ts_io)
ts_unit_test(io crc32c LINK ts_io)
ts_unit_test(io events LINK ts_io)
