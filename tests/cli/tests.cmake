# The program as a user sees it: tests/cli/<subject>.sh path/to/tessera.
add_executable(edit_checkpoint cli/edit_checkpoint.c)
target_link_libraries(edit_checkpoint PRIVATE ts_checkpoint)
foreach(subject help pages bad_input resume batches state disk ranks)
  add_test(NAME cli/${subject}
           COMMAND ${CMAKE_CURRENT_LIST_DIR}/${subject}.sh $<TARGET_FILE:tessera> $<TARGET_FILE:edit_checkpoint>
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(cli/${subject} PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77)
endforeach()
