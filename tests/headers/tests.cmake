# Every header compiles alone as C17, the public ones as C++17 too.
add_test(NAME headers/c17 COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/headers.sh ${CMAKE_SOURCE_DIR} c
         ${CMAKE_C_COMPILER} -std=c17 -Wall -Wextra -Werror)
find_program(TESSERA_CXX NAMES c++ g++ clang++)
if(TESSERA_CXX)
  add_test(NAME headers/c++17 COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/headers.sh ${CMAKE_SOURCE_DIR} c++
           ${TESSERA_CXX} -std=gnu++17)
else()
  message(STATUS "no C++ compiler: headers are not checked as C++17")
endif()
set_tests_properties(headers/c17 PROPERTIES ENVIRONMENT CC=${CMAKE_C_COMPILER})
if(TESSERA_CXX)
  set_tests_properties(headers/c++17 PROPERTIES ENVIRONMENT CC=${CMAKE_C_COMPILER})
endif()
