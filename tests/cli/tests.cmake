# The program as a user sees it: each tests/cli/<subject>.sh is run with the program's path.
add_executable(edit_checkpoint cli/edit_checkpoint.c)
target_link_libraries(edit_checkpoint PRIVATE ts_ckpt)
add_executable(make_rows cli/make_rows.c)
target_link_libraries(make_rows PRIVATE ts_data)
file(GLOB ts_cli_scripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.sh)
list(FILTER ts_cli_scripts EXCLUDE REGEX "/lib\\.sh$")
foreach(script ${ts_cli_scripts})
  get_filename_component(subject ${script} NAME_WE)
  add_test(NAME cli/${subject} COMMAND ${script} $<TARGET_FILE:tessera> $<TARGET_FILE:edit_checkpoint> $<TARGET_FILE:make_rows>
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(cli/${subject} PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77)
endforeach()
