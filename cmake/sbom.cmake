# The software bill of materials: what the program is linked to, with versions and licences, in SPDX 2.3's
# JSON (https://spdx.github.io/spdx-spec/v2.3/). SOURCE_DATE_EPOCH makes its time of creation repeatable.
find_program(TESSERA_DPKG_QUERY dpkg-query)
mark_as_advanced(TESSERA_DPKG_QUERY)

# The version of a Debian package, or what pkg-config said.
function(ts_component_version package fallback out)
  set(version "")
  if(TESSERA_DPKG_QUERY)
    execute_process(COMMAND ${TESSERA_DPKG_QUERY} -W -f=\${Version} ${package}
                    OUTPUT_VARIABLE version ERROR_QUIET RESULT_VARIABLE failed)
    if(failed)
      set(version "")
    endif()
  endif()
  if(version STREQUAL "")
    set(version "${fallback}")
  endif()
  if(version STREQUAL "")
    set(version "unknown")
  endif()
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

# One package of the list as JSON. locator: a package URL, or "".
function(ts_sbom_package name version license locator out)
  string(MAKE_C_IDENTIFIER "${name}" id)
  string(REPLACE "_" "-" id "${id}")
  set(json "{\n   \"SPDXID\": \"SPDXRef-${id}\", \"name\": \"${name}\", \"versionInfo\": \"${version}\",\n")
  string(APPEND json "   \"downloadLocation\": \"NOASSERTION\", \"filesAnalyzed\": false,\n")
  string(APPEND json "   \"licenseConcluded\": \"${license}\", \"licenseDeclared\": \"${license}\", "
                     "\"copyrightText\": \"NOASSERTION\"")
  if(locator)
    string(APPEND json ",\n   \"externalRefs\": [{\"referenceCategory\": \"PACKAGE-MANAGER\", "
                       "\"referenceType\": \"purl\", \"referenceLocator\": \"${locator}\"}]")
  endif()
  set(${out} "${json}\n  }" PARENT_SCOPE)
endfunction()

function(ts_write_sbom file)
  get_property(components GLOBAL PROPERTY ts_components)
  list(APPEND components "glibc||libc6|LGPL-2.1-or-later")
  string(TIMESTAMP now "%Y-%m-%dT%H:%M:%SZ" UTC)
  ts_sbom_package(tessera ${PROJECT_VERSION} Apache-2.0 "" packages)
  set(relations "{\"spdxElementId\": \"SPDXRef-DOCUMENT\", \"relationshipType\": \"DESCRIBES\", \"relatedSpdxElement\": \"SPDXRef-tessera\"}")
  foreach(component ${components})
    string(REPLACE "|" ";" part "${component}")
    list(GET part 0 name)
    list(GET part 1 found)
    list(GET part 2 package)
    list(GET part 3 license)
    ts_component_version(${package} "${found}" version)
    string(REPLACE "+" "%2B" purl "pkg:deb/debian/${package}@${version}")
    ts_sbom_package(${name} ${version} ${license} ${purl} json)
    string(APPEND packages ", ${json}")
    string(MAKE_C_IDENTIFIER "${name}" id)
    string(REPLACE "_" "-" id "${id}")
    string(APPEND relations ",\n  {\"spdxElementId\": \"SPDXRef-tessera\", \"relationshipType\": \"DYNAMIC_LINK\", \"relatedSpdxElement\": \"SPDXRef-${id}\"}")
  endforeach()
  file(WRITE ${file} "{\n \"spdxVersion\": \"SPDX-2.3\", \"dataLicense\": \"CC0-1.0\", \"SPDXID\": \"SPDXRef-DOCUMENT\",
 \"name\": \"tessera-${PROJECT_VERSION}\",
 \"documentNamespace\": \"https://spdx.org/spdxdocs/tessera-${PROJECT_VERSION}\",
 \"creationInfo\": {\"created\": \"${now}\", \"creators\": [\"Tool: tessera-cmake-${PROJECT_VERSION}\"]},
 \"packages\": [${packages}],
 \"relationships\": [${relations}]\n}\n")
endfunction()
