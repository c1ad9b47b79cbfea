# What is installed: the library, its one header, what find_package and pkg-config read, the command and the simulator.
include(CMakePackageConfigHelpers)
foreach(library flashjit flashjit_static)
  if(TARGET ${library})
    install(TARGETS ${library} EXPORT flashjitTargets
            LIBRARY COMPONENT library NAMELINK_COMPONENT development
            ARCHIVE COMPONENT development)
  endif()
endforeach()
install(FILES include/flashjit.h TYPE INCLUDE COMPONENT development)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/flashjit)
configure_package_config_file(runtime/flashjitConfig.cmake.in flashjitConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(flashjitConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT flashjitTargets NAMESPACE flashjit:: DESTINATION ${package_dir} COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/flashjitConfig.cmake ${PROJECT_BINARY_DIR}/flashjitConfigVersion.cmake
        DESTINATION ${package_dir} COMPONENT development)

# A package may be moved: pkg-config finds the prefix from the place of the file, unless that is fixed. A folder that
# was given as an absolute path stays as it is.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  set(pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH pc_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
  string(REGEX REPLACE "(.*)/" "\${pcfiledir}/\\1" pc_prefix ${pc_prefix})
endif()
set(pc_libdir ${CMAKE_INSTALL_LIBDIR})
set(pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
foreach(folder pc_libdir pc_includedir)
  if(NOT IS_ABSOLUTE ${${folder}})
    string(PREPEND ${folder} "\${prefix}/")
  endif()
endforeach()
foreach(folder pc_prefix pc_libdir pc_includedir)
  string(REPLACE " " "\\ " ${folder} ${${folder}})
endforeach()

# What the library needs is for those who link it statically, which may be all.
list(JOIN FLASHJIT_SYSTEM_LIBRARIES " " pc_libs_private)
if(NOT TARGET flashjit)
  set(pc_libs ${pc_libs_private})
  unset(pc_libs_private)
endif()
configure_file(runtime/flashjit.pc.in flashjit.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/flashjit.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

if(FLASHJIT_BUILD_TOOLS)
  install(TARGETS flashjit_cli COMPONENT command)
  install(TARGETS flashjit-sim LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT command)
  # The command finds the library when both are moved, if their folders move. In /usr the loader looks by itself.
  set(rpath ${CMAKE_INSTALL_LIBDIR})
  if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    unset(rpath)
  elseif(NOT IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR} AND NOT IS_ABSOLUTE ${CMAKE_INSTALL_BINDIR})
    file(RELATIVE_PATH rpath /prefix/${CMAKE_INSTALL_BINDIR} /prefix/${CMAKE_INSTALL_LIBDIR})
    string(PREPEND rpath "$ORIGIN/")
  elseif(NOT IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
    set(rpath ${CMAKE_INSTALL_FULL_LIBDIR})
  endif()
  set_target_properties(flashjit_cli PROPERTIES INSTALL_RPATH "${rpath}")
  include(runtime/sbom.cmake)
endif()
