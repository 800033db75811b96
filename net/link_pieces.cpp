#include "net/link_pieces.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

namespace troupe::net {

std::vector<caf::mailbox_element_ptr>
in_pieces(caf::actor_system& system, caf::mailbox_element& what, std::uint64_t piece_bytes) {
  std::vector<caf::mailbox_element_ptr> pieces;
  auto bytes = std::make_shared<std::vector<char>>();
  auto content = what.move_content_to_message();
  caf::binary_serializer sink{system, *bytes};
  if (sink(content) || bytes->size() > largest_message)
    return pieces;
  storage::slice whole{std::shared_ptr<const void>(bytes), std::as_bytes(std::span(*bytes))};
  for (std::size_t at = 0; at < whole.size();) {
    auto size = std::min<std::size_t>(piece_bytes, whole.size() - at);
    link_piece piece{whole.part(at, size), whole.size() - at - size};
    at += size;
    bool last = piece.left == 0;
    pieces.push_back(caf::make_mailbox_element(last ? what.sender : nullptr,
                                               last ? what.mid : caf::make_message_id(), {},
                                               std::move(piece)));
  }
  return pieces;
}

piece_joint::outcome piece_joint::take(caf::actor_system& system, caf::mailbox_element_ptr& what) {
  if (!what->content().match_elements<link_piece>())
    return outcome::none;
  auto& piece = what->content().get_as<link_piece>(0);
  auto part = piece.bytes.bytes();
  std::lock_guard lock(mutex_);
  bool first = bytes_.empty();
  bool fits = part.size() + piece.left <= largest_message && !part.empty();
  if (!fits || (!first && left_ != part.size() + piece.left)) {
    bytes_.clear();
    return outcome::broken;
  }
  auto* text = reinterpret_cast<const char*>(part.data());
  bytes_.insert(bytes_.end(), text, text + part.size());
  left_ = piece.left;
  if (left_ > 0)
    return outcome::open;
  caf::message content;
  caf::binary_deserializer source{system, bytes_};
  auto failed = source(content);
  bytes_ = {};
  if (failed || content.empty() || content.match_elements<link_piece>())
    return outcome::broken;
  what = caf::make_mailbox_element(std::move(what->sender), what->mid, {}, std::move(content));
  return outcome::whole;
}

} // namespace troupe::net
