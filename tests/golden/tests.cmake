# Goldens that need more than one folder of src/.
add_executable(test_golden_families golden/test_families.c)
target_link_libraries(test_golden_families PRIVATE ts_infer ts_train ts_model ts_io PkgConfig::CMOCKA m)
add_test(NAME golden/families COMMAND test_golden_families WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
add_executable(test_golden_mtp golden/test_mtp.c)
target_link_libraries(test_golden_mtp PRIVATE ts_infer ts_train ts_model ts_io PkgConfig::CMOCKA m)
add_test(NAME golden/mtp COMMAND test_golden_mtp WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
