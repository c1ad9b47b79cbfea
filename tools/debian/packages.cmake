# The Debian packages: libflashjit0, libflashjit-dev and flashjit, which is the command with the simulator. The debian
# preset builds what goes in, and cpack packs it.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME flashjit)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "flashjit maintainers <maintainers@flashjit.example>")
set(CPACK_COMPONENTS_ALL library development command)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# Written out: where CPack finds what a package depends on, it also adds scripts that call ldconfig, which is what the
# trigger is for. A library that was built with a version of glibc needs at most that version.
set(glibc "libc6 (>= ${FLASHJIT_GLIBC_VERSION})")
set(library libflashjit${PROJECT_VERSION_MAJOR})
set(same_library "${library} (= ${PROJECT_VERSION})")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${library})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_DEPENDS "${glibc}")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SUGGESTS "libcurl4, libssl3") # opened for a server, and for signatures
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "attention kernels for LLM serving, made at run time
A kernel is generated as CUDA C++ text for one kind of attention layer,
compiled with NVRTC at first use, kept on disk, and launched through the
CUDA driver. The driver (libcuda.so.1) and NVRTC (libnvrtc) come from NVIDIA;
kernels that are on disk already need the driver only.")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA
  ${CMAKE_CURRENT_LIST_DIR}/triggers ${PROJECT_BINARY_DIR}/debian/shlibs)
file(CONFIGURE OUTPUT debian/shlibs CONTENT "libflashjit @PROJECT_VERSION_MAJOR@ @library@ (>= @PROJECT_VERSION@)\n"
     @ONLY)

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libflashjit-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${same_library}")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "attention kernels for LLM serving - development files
The header of libflashjit, and what CMake and pkg-config read.")

set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME flashjit)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_COMMAND_PACKAGE_DEPENDS "${same_library}, ${glibc}, libjansson4")
set(CPACK_DEBIAN_COMMAND_DESCRIPTION "attention kernels for LLM serving - command
Compiles the kernels of a model into a cache, shows what they are made of,
runs and checks them, on a GPU or on the simulator that comes with it.")

# What only a package has. Each says what changed, whose it is and what it may be used for. gzip -n keeps no time.
install(FILES ${CMAKE_CURRENT_LIST_DIR}/overrides/flashjit DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/lintian/overrides
        COMPONENT command EXCLUDE_FROM_ALL)
set(changelog ${PROJECT_BINARY_DIR}/debian/changelog.gz)
execute_process(COMMAND gzip -9 -n -c ${CMAKE_CURRENT_LIST_DIR}/changelog OUTPUT_FILE ${changelog})
foreach(component LIBRARY DEVELOPMENT COMMAND)
  string(TOLOWER ${component} name)
  install(FILES ${CMAKE_CURRENT_LIST_DIR}/copyright ${changelog} COMPONENT ${name} EXCLUDE_FROM_ALL
          DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${CPACK_DEBIAN_${component}_PACKAGE_NAME})
endforeach()

include(CPack)
