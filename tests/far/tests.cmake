# A device that keeps its memory from the host (far.h), and the program on it: it takes the CPU's place when the
# program is linked.
set(far_link -Wl,--wrap=ts_cpu_open -rdynamic)
get_target_property(tessera_libraries tessera LINK_LIBRARIES)
add_executable(tessera_far ${CMAKE_CURRENT_LIST_DIR}/far.c $<TARGET_OBJECTS:tessera>)
target_link_libraries(tessera_far PRIVATE ${tessera_libraries})
target_link_options(tessera_far PRIVATE ${far_link})
add_test(NAME far/program COMMAND ${CMAKE_CURRENT_LIST_DIR}/far.sh $<TARGET_FILE:tessera> $<TARGET_FILE:tessera_far>
         WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(far/program PROPERTIES TIMEOUT 300)

add_executable(test_far_contract ${CMAKE_CURRENT_LIST_DIR}/test_contract.c ${CMAKE_CURRENT_LIST_DIR}/far.c)
target_link_libraries(test_far_contract PRIVATE ts_device PkgConfig::CMOCKA m)
target_link_options(test_far_contract PRIVATE ${far_link})
add_test(NAME far/contract COMMAND test_far_contract WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})

# A group of such devices: what it exchanges comes to the host and goes back.
if(TESSERA_HAVE_MPI)
  set(far_dist ${CMAKE_CURRENT_LIST_DIR}/../dist)
  foreach(subject xent spread)
    add_executable(far_${subject} ${far_dist}/test_${subject}.c ${CMAKE_CURRENT_LIST_DIR}/far.c)
    target_link_libraries(far_${subject} PRIVATE ts_model ts_dist m)
    target_link_options(far_${subject} PRIVATE ${far_link})
    add_test(NAME far/${subject} COMMAND ${far_dist}/run.sh $<TARGET_FILE:far_${subject}> 2
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(far/${subject} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 150 PROCESSORS 2)
  endforeach()
endif()
