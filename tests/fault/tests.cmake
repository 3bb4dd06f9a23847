# Tests in which calls to the system fail: the linker puts io_hooks.c between.
set(fault_wraps open write pwrite pread fallocate fsync close rename mkdir unlink remove malloc calloc realloc)
list(TRANSFORM fault_wraps PREPEND "-Wl,--wrap=")
function(ts_fault_test subject)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  add_executable(fault_${subject} fault/test_${subject}.c fault/io_hooks.c)
  target_link_libraries(fault_${subject} PRIVATE ${arg_LINK} PkgConfig::CMOCKA m)
  target_link_options(fault_${subject} PRIVATE ${fault_wraps})
  add_test(NAME fault/${subject} COMMAND fault_${subject} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()

ts_fault_test(checkpoint_faults LINK ts_ckpt)
ts_fault_test(checkpoint_crash LINK ts_ckpt)
ts_fault_test(folder_faults LINK ts_model)
ts_fault_test(tape_memory LINK ts_ops)

# Every command under every fault: long, and so by hand (cmake --build . --target fault_sweep).
add_library(fault_preload MODULE EXCLUDE_FROM_ALL fault/preload.c)
target_compile_options(fault_preload PRIVATE -fPIC -fvisibility=default -Wno-pedantic)
target_link_libraries(fault_preload PRIVATE ${CMAKE_DL_LIBS})
add_custom_target(fault_sweep
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/sweep.sh $<TARGET_FILE:tessera> $<TARGET_FILE:fault_preload>
  DEPENDS tessera fault_preload USES_TERMINAL VERBATIM)

# Ranks that are killed, stopped or held at random moments, in many layouts: here one that is stopped, always the same;
# 40 others by hand (cmake --build . --target rank_faults).
add_test(NAME fault/ranks COMMAND ${CMAKE_CURRENT_LIST_DIR}/ranks.sh $<TARGET_FILE:tessera> 1 2001
         WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(fault/ranks PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77)
add_custom_target(rank_faults
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/ranks.sh $<TARGET_FILE:tessera> 40
  DEPENDS tessera USES_TERMINAL VERBATIM)
