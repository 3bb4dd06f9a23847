ts_unit_test(train checkpoint LINK ts_checkpoint)
ts_unit_test(train checkpoint_cli LINK ts_checkpoint)
target_compile_definitions(test_train_checkpoint_cli PRIVATE TESSERA_PROGRAM="$<TARGET_FILE:tessera>")
add_dependencies(test_train_checkpoint_cli tessera)
