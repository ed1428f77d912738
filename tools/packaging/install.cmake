# What a wheel holds of the engine: bin/headrace, the libraries it needs in lib/, console and examples in share/. Included by the root.
install(TARGETS headrace RUNTIME DESTINATION bin COMPONENT wheel)
if(TARGET headrace_worker)
  install(TARGETS headrace_worker LIBRARY DESTINATION bin COMPONENT wheel)
endif()
# Under a name of its own, so that another libduckdb.so in the same process is never taken for it.
install(FILES "${HEADRACE_DUCKDB}/lib/libduckdb.so" DESTINATION lib COMPONENT wheel RENAME libheadrace_duckdb.so)
install(DIRECTORY "${CMAKE_SOURCE_DIR}/examples" DESTINATION share COMPONENT wheel
        PATTERN __pycache__ EXCLUDE PATTERN .headrace EXCLUDE PATTERN .gitignore EXCLUDE)
if(EXISTS "${CMAKE_SOURCE_DIR}/web/dist")
  install(DIRECTORY "${CMAKE_SOURCE_DIR}/web/dist" DESTINATION share/web COMPONENT wheel)
endif()
install(SCRIPT "${CMAKE_CURRENT_LIST_DIR}/bundle.cmake" COMPONENT wheel)
