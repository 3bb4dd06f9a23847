# The program as a user sees it: tests/cli/<subject>.sh path/to/tessera.
foreach(subject help bad_input resume batches)
  add_test(NAME cli/${subject} COMMAND ${CMAKE_CURRENT_LIST_DIR}/${subject}.sh $<TARGET_FILE:tessera>
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(cli/${subject} PROPERTIES TIMEOUT 300)
endforeach()
