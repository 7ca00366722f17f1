# cmake --install: library, header, command, and what find_package and pkg-config need.

install(TARGETS backprop EXPORT backprop-targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS backprop_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT backprop-targets NAMESPACE backprop:: FILE backprop-config.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/backprop)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/backprop-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/backprop-config-version.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/backprop)
# Relative to the file itself, so that `cmake --install --prefix` may choose another place.
file(RELATIVE_PATH BACKPROP_PC_TO_PREFIX
    ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/backprop.pc.in backprop.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/backprop.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
