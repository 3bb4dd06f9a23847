# The public interface as a user's program sees it: tests/api/test_<subject>.c over include/tessera and the
# shared library alone.
function(ts_api_program subject source)
  add_executable(test_api_${subject} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/${source})
  set_target_properties(test_api_${subject} PROPERTIES INCLUDE_DIRECTORIES ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(test_api_${subject} PRIVATE libtessera PkgConfig::CMOCKA Threads::Threads m)
  target_compile_definitions(test_api_${subject} PRIVATE TESSERA_PROGRAM="$<TARGET_FILE:tessera>")
  add_dependencies(test_api_${subject} tessera)
endfunction()

foreach(subject data model train)
  ts_api_program(${subject} test_${subject}.c)
  add_test(NAME api/${subject} COMMAND test_api_${subject} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(api/${subject} PROPERTIES TIMEOUT 300)
  ts_sanitize(api/${subject} test_api_${subject})
endforeach()
if(TESSERA_HAVE_MPI)
  ts_api_program(processes processes.c)
  add_test(NAME api/processes COMMAND ${CMAKE_CURRENT_LIST_DIR}/../dist/run.sh $<TARGET_FILE:test_api_processes> 2
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(api/processes PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 150 PROCESSORS 2)
endif()
add_test(NAME api/symbols
  COMMAND sh ${CMAKE_SOURCE_DIR}/scripts/api_symbols.sh ${CMAKE_SOURCE_DIR} $<TARGET_FILE:libtessera>)
if(NOT TESSERA_SANITIZE)
  add_test(NAME api/install COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/install.sh ${CMAKE_COMMAND}
    ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR} ${CMAKE_C_COMPILER})
endif()
