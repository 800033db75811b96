#include "actors/store_role.hpp"

namespace troupe {

std::string_view name_of(store_role role) noexcept {
  switch (role) {
  case store_role::writer:
    return "writer";
  case store_role::flusher:
    return "flusher";
  case store_role::cleaner:
    return "cleaner";
  case store_role::readers:
    return "readers";
  case store_role::dispatcher:
    return "dispatcher";
  case store_role::queue_manager:
    return "queue-manager";
  case store_role::registrar:
    return "registrar";
  case store_role::door:
    return "door";
  }
  return "unknown";
}

std::optional<store_role> role_of(std::string_view name) noexcept {
  for (auto role : every_role)
    if (name_of(role) == name)
      return role;
  return std::nullopt;
}

std::string to_text(role_set roles) {
  std::string out;
  for (auto role : every_role)
    if (roles.has(role))
      out.append(out.empty() ? "" : ", ").append(name_of(role));
  return out;
}

} // namespace troupe
