ts_unit_test(ckpt checkpoint LINK ts_ckpt)
ts_unit_test(ckpt checkpoint_cli LINK ts_ckpt)
target_compile_definitions(test_ckpt_checkpoint_cli PRIVATE TESSERA_PROGRAM="$<TARGET_FILE:tessera>")
add_dependencies(test_ckpt_checkpoint_cli tessera)
