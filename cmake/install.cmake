# `cmake --install build --prefix DIR` puts the program, the libraries with their headers, and what
# `find_package(troupe)` reads into DIR: troupe::client for programs that use a node, troupe::sim for
# tests of actors against a simulated one.
include(CMakePackageConfigHelpers)
set(troupe_cmake_directory lib/cmake/troupe)

set_target_properties(troupe_flags PROPERTIES EXPORT_NAME flags)
set_target_properties(troupe_storage PROPERTIES EXPORT_NAME storage)
set_target_properties(troupe_actors PROPERTIES EXPORT_NAME actors)
set_target_properties(troupe_config PROPERTIES EXPORT_NAME config)
set_target_properties(troupe_remoting PROPERTIES EXPORT_NAME remoting)
set_target_properties(troupe_access PROPERTIES EXPORT_NAME access)
set_target_properties(troupe_http PROPERTIES EXPORT_NAME http)
set_target_properties(troupe_net PROPERTIES EXPORT_NAME client)
set_target_properties(troupe_sim_disk PROPERTIES EXPORT_NAME sim_disk)
set_target_properties(troupe_sim PROPERTIES EXPORT_NAME sim)

install(TARGETS troupe RUNTIME DESTINATION bin COMPONENT program)
install(FILES ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/troupe.debug DESTINATION bin COMPONENT symbols OPTIONAL)
install(TARGETS troupe_flags troupe_storage troupe_actors troupe_config troupe_remoting troupe_access
  troupe_http troupe_net troupe_sim_disk
  troupe_sim EXPORT troupe ARCHIVE DESTINATION lib COMPONENT library)
install(EXPORT troupe NAMESPACE troupe:: FILE troupeTargets.cmake
  DESTINATION ${troupe_cmake_directory} COMPONENT library)
foreach(folder storage actors net sim)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/${folder} DESTINATION include/troupe COMPONENT library
    FILES_MATCHING PATTERN "*.hpp")
endforeach()

write_basic_package_version_file(${CMAKE_BINARY_DIR}/troupeConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_SOURCE_DIR}/cmake/troupeConfig.cmake
  ${CMAKE_SOURCE_DIR}/cmake/FindCAF.cmake
  ${CMAKE_BINARY_DIR}/troupeConfigVersion.cmake
  DESTINATION ${troupe_cmake_directory} COMPONENT library)
