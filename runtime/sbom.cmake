# What is in the binaries and what they are linked with: flashjit.spdx.json, of which each part is one line of the table
# below. The driver and NVRTC are opened by name at run time and are no part of it. SOURCE_DATE_EPOCH sets its time.
file(STRINGS ${FLASHJIT_XXHASH_INCLUDE_DIR}/xxhash.h lines REGEX "define XXH_VERSION_(MAJOR|MINOR|RELEASE) ")
string(REGEX REPLACE "[^;0-9]+" "" xxhash_version "${lines}")
list(JOIN xxhash_version . xxhash_version)
file(STRINGS ${FLASHJIT_JANSSON_INCLUDE_DIR}/jansson.h jansson_version REGEX "define JANSSON_VERSION ")
string(REGEX REPLACE ".*\"(.*)\".*" "\\1" jansson_version "${jansson_version}")

execute_process(COMMAND ${CMAKE_C_COMPILER} -dM -E -include features.h -x c /dev/null OUTPUT_VARIABLE macros)
string(REGEX MATCH "__GLIBC_MINOR__ ([0-9]+)" found "${macros}")
set(FLASHJIT_GLIBC_VERSION 2.${CMAKE_MATCH_1})

unset(sbom_packages)
unset(sbom_relationships)

# sbom_part(NAME VERSION LICENSE RELATION COMMENT): RELATION is that of flashjit to the part, empty for flashjit itself.
function(sbom_part name version license relation comment)
  string(CONCAT package
    "    { \"SPDXID\": \"SPDXRef-${name}\", \"name\": \"${name}\", \"versionInfo\": \"${version}\",\n"
    "      \"downloadLocation\": \"NOASSERTION\", \"filesAnalyzed\": false, \"licenseConcluded\": \"${license}\",\n"
    "      \"licenseDeclared\": \"${license}\", \"copyrightText\": \"NOASSERTION\", \"comment\": \"${comment}\" }")
  string(CONCAT relationship
    "    { \"spdxElementId\": \"SPDXRef-flashjit\", \"relationshipType\": \"${relation}\", "
    "\"relatedSpdxElement\": \"SPDXRef-${name}\" }")
  list(APPEND sbom_packages "${package}")
  if(relation)
    list(APPEND sbom_relationships "${relationship}")
  endif()
  set(sbom_packages "${sbom_packages}" PARENT_SCOPE)
  set(sbom_relationships "${sbom_relationships}" PARENT_SCOPE)
endfunction()

sbom_part(flashjit ${PROJECT_VERSION} Apache-2.0 "" "libflashjit, the flashjit command and the simulator")
sbom_part(xxHash ${xxhash_version} BSD-2-Clause STATIC_LINK "a header whose functions are compiled into libflashjit")
sbom_part(jansson ${jansson_version} MIT DYNAMIC_LINK "linked by the command alone")
sbom_part(glibc ${FLASHJIT_GLIBC_VERSION} LGPL-2.1-or-later DYNAMIC_LINK
          "that of the build or newer, unless built with musl")

list(JOIN sbom_packages ",\n" sbom_packages)
list(JOIN sbom_relationships ",\n" sbom_relationships)
string(SHA1 sbom_digest "${sbom_packages}")
string(TIMESTAMP sbom_created "%Y-%m-%dT%H:%M:%SZ" UTC)
configure_file(runtime/flashjit.spdx.json.in flashjit.spdx.json @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/flashjit.spdx.json DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/flashjit
        COMPONENT library)
