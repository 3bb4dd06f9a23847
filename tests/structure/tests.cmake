# The shape of the tree: order of includes, lengths, words of choices, paths in the docs, exported symbols, the page of options. Python is only for these scripts;
# without it they are skipped, and say so.
find_program(TESSERA_PYTHON NAMES python3)
foreach(script layers sizes choices docs compiles)
  if(TESSERA_PYTHON)
    add_test(NAME structure/${script}
             COMMAND ${TESSERA_PYTHON} ${CMAKE_SOURCE_DIR}/scripts/${script}.py ${CMAKE_SOURCE_DIR})
  else()
    add_test(NAME structure/${script} COMMAND sh -c "echo skipped: no python3; exit 77")
    set_tests_properties(structure/${script} PROPERTIES SKIP_RETURN_CODE 77)
  endif()
endforeach()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_test(NAME structure/exports COMMAND sh ${CMAKE_SOURCE_DIR}/scripts/exports.sh ${CMAKE_BINARY_DIR})
  set_tests_properties(structure/exports PROPERTIES SKIP_RETURN_CODE 77)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT TESSERA_SANITIZE)
  add_test(NAME structure/hardening
           COMMAND sh ${CMAKE_SOURCE_DIR}/scripts/hardening.sh $<TARGET_FILE:tessera> $<TARGET_FILE:libtessera>)
  set_tests_properties(structure/hardening PROPERTIES SKIP_RETURN_CODE 77)
endif()
# The options' page is the program's help.
add_test(NAME structure/options COMMAND sh ${CMAKE_SOURCE_DIR}/scripts/options_page.sh $<TARGET_FILE:tessera> --check)
