# Runs at the end of an install: copies the shared libraries that a plain system lacks into lib/ and points the program there.
set(place "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}")
find_program(PATCHELF patchelf REQUIRED)

function(patch)
  execute_process(COMMAND ${PATCHELF} ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(GET_RUNTIME_DEPENDENCIES EXECUTABLES "${place}/bin/headrace" RESOLVED_DEPENDENCIES_VAR found
     UNRESOLVED_DEPENDENCIES_VAR unresolved
     PRE_EXCLUDE_REGEXES "^libduckdb\\.so" "^ld-linux" "^lib(c|m|dl|rt|pthread|resolv|stdc\\+\\+|gcc_s)\\.so")
if(unresolved)
  message(FATAL_ERROR "not found on this machine: ${unresolved}")
endif()
foreach(library IN LISTS found)
  # Once, under the name that is asked for: a wheel holds no links.
  get_filename_component(name "${library}" NAME)
  file(REAL_PATH "${library}" real)
  file(COPY_FILE "${real}" "${place}/lib/${name}")
endforeach()
patch(--set-soname libheadrace_duckdb.so "${place}/lib/libheadrace_duckdb.so")
patch(--replace-needed libduckdb.so libheadrace_duckdb.so "${place}/bin/headrace")
# RPATH, not RUNPATH: it also holds for what the libraries need of each other.
patch(--force-rpath --set-rpath "$ORIGIN/../lib" "${place}/bin/headrace")
