# The house's warnings (STYLE.md). Sign conversion alone is left out: sizes are size_t and counts int64_t,
# and a cast at every meeting of the two hides more than it shows.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                    -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wundef)
# clang: a row that names its first members leaves the others zero on purpose; and without optimisation no loop
# becomes vectors.
if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wno-missing-field-initializers -Wno-pass-failed)
endif()
if(TESSERA_WERROR)
  add_compile_options(-Werror)
endif()
# The same bits from every build: no contraction but where a kernel asks for it by intrinsics.
add_compile_options(-ffp-contract=off -fno-math-errno -fno-trapping-math -fvisibility=hidden)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  string(REPLACE "-O3" "-O2" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
  string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
endif()
