# Defines troupe::client and troupe::sim, with what they need.
include(CMakeFindDependencyMacro)
list(PREPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR}) # FindCAF
find_dependency(Threads)
find_dependency(Boost 1.81 COMPONENTS json)
find_dependency(spdlog)
find_dependency(OpenSSL)
find_dependency(CAF 0.17...<0.18)
list(POP_FRONT CMAKE_MODULE_PATH)
include(${CMAKE_CURRENT_LIST_DIR}/troupeTargets.cmake)
