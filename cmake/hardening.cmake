# What makes a fault in the program stop it instead of being used: position-independent programs, checked
# copies, stack canaries and clash checks, relocations that are read-only before main, and no memory that is
# writable and executable (scripts/hardening.sh checks these). Control-flow enforcement takes effect where the C
# library is built with it, too; Debian 12's is not.
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
include(CheckCCompilerFlag)
include(CheckLinkerFlag)
foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
  string(MAKE_C_IDENTIFIER "TESSERA_HAS${flag}" known)
  check_c_compiler_flag(${flag} ${known})
  if(${known})
    add_compile_options(${flag})
  endif()
endforeach()
foreach(flag -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
  string(MAKE_C_IDENTIFIER "TESSERA_HAS${flag}" known)
  check_linker_flag(C ${flag} ${known})
  if(${known})
    add_link_options(${flag})
  endif()
endforeach()
# Checked copies need an optimising compiler, and sanitizers bring checks of their own.
if(CMAKE_BUILD_TYPE MATCHES "^Rel" AND NOT TESSERA_SANITIZE)
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
