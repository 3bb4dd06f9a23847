# cmake --install: the program, the shared library, its headers, files for pkg-config and CMake, manual pages,
# completion scripts, the licence and the list of what it is made of.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
include(cmake/sbom.cmake)
install(TARGETS tessera RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS libtessera EXPORT tessera LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/tessera DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

file(RELATIVE_PATH TESSERA_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/tessera.pc.in ${CMAKE_BINARY_DIR}/tessera.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/tessera.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# find_package(tessera) gives the target tessera::tessera. Before 1.0 a minor version may change the interface.
set(ts_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tessera)
install(EXPORT tessera NAMESPACE tessera:: FILE tesseraTargets.cmake DESTINATION ${ts_cmake_dir})
file(WRITE ${CMAKE_BINARY_DIR}/tesseraConfig.cmake "include(\${CMAKE_CURRENT_LIST_DIR}/tesseraTargets.cmake)\n")
write_basic_package_version_file(${CMAKE_BINARY_DIR}/tesseraConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/tesseraConfig.cmake ${CMAKE_BINARY_DIR}/tesseraConfigVersion.cmake
  DESTINATION ${ts_cmake_dir})

# Manual pages and completion are what the program says of itself.
if(NOT CMAKE_CROSSCOMPILING AND NOT TESSERA_SANITIZE)
  set(ts_share ${CMAKE_BINARY_DIR}/share)
  add_custom_command(OUTPUT ${ts_share}/made
    COMMAND sh ${CMAKE_SOURCE_DIR}/scripts/share.sh $<TARGET_FILE:tessera> ${ts_share}
    DEPENDS tessera ${CMAKE_SOURCE_DIR}/scripts/share.sh VERBATIM)
  add_custom_target(share ALL DEPENDS ${ts_share}/made)
  install(DIRECTORY ${ts_share}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${ts_share}/bash/tessera DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${ts_share}/zsh/_tessera DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
  install(FILES ${ts_share}/fish/tessera.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

ts_write_sbom(${CMAKE_BINARY_DIR}/tessera.spdx.json)
install(FILES LICENSE SECURITY.md ${CMAKE_BINARY_DIR}/tessera.spdx.json DESTINATION ${CMAKE_INSTALL_DOCDIR})
