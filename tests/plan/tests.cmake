# The built program's plans against its runs.
add_executable(plan_memory ${CMAKE_CURRENT_LIST_DIR}/test_memory.c)
target_link_libraries(plan_memory PRIVATE ts_base m)
foreach(ranks 1 2)
  add_test(NAME plan/memory-${ranks} COMMAND plan_memory $<TARGET_FILE:tessera> ${ranks}
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(plan/memory-${ranks} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
endforeach()
