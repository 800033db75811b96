#pragma once

#include "net/actor_port/actor_gate.hpp"
#include "net/stream_scribe.hpp"

#include <caf/io/basp_broker.hpp>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace troupe::net {

/// Reads and writes as `Wire` does, until the connection is cut.
template <class Wire>
class cuttable_wire {
public:
  using state = caf::io::network::rw_state;
  using native_socket = caf::io::network::native_socket;

  cuttable_wire(std::unique_ptr<Wire> wire, const actor_seat& seat)
      : wire_(std::move(wire)), seat_(seat) {}

  state read_some(std::size_t& done, native_socket from, void* to, std::size_t size) {
    done = 0;
    return seat_.is_cut() ? state::failure : wire_->read_some(done, from, to, size);
  }
  state write_some(std::size_t& done, native_socket to, const void* from, std::size_t size) {
    done = 0;
    return seat_.is_cut() ? state::failure : wire_->write_some(done, to, from, size);
  }
  bool must_read_more(native_socket from, std::size_t threshold) {
    return !seat_.is_cut() && wire_->must_read_more(from, threshold);
  }

private:
  std::unique_ptr<Wire> wire_;
  const actor_seat& seat_;
};

/// A connection of the framework's broker that shows each header and payload to its seat first.
/// Memory for a long payload grows with what has arrived: the framework would take, and clear, all
/// that the header announces. The network thread calls.
template <class Wire>
class guarded_scribe final : public stream_scribe<cuttable_wire<Wire>> {
  using base = stream_scribe<cuttable_wire<Wire>>;

public:
  guarded_scribe(caf::io::network::default_multiplexer& multiplexer, int socket,
                 std::unique_ptr<Wire> wire, std::unique_ptr<actor_seat> seat)
      : base(multiplexer, socket, std::move(wire), *seat), seat_(std::move(seat)) {}

  void configure_read(caf::io::receive_policy::config how) override {
    wanted_ = how.second; // the protocol always asks for exactly so much
    read_on();
    this->launch();
  }

  bool consume(caf::execution_unit* context, const void* data, std::size_t size) override {
    if (seat_->is_cut()) // the next read fails
      return true;
    bool long_payload = wanted_ > piece_bytes;
    if (long_payload) {
      auto* from = static_cast<const char*>(data);
      gathered_.insert(gathered_.end(), from, from + size);
      if (gathered_.size() < wanted_) {
        read_on();
        return true;
      }
    }
    auto& whole = long_payload ? gathered_ : stream_.rd_buf();
    bool known = seat_->greeted();
    if (!seat_->take(std::as_writable_bytes(std::span(whole).first(wanted_))))
      return true;
    hands_on_gathered_ = long_payload;
    bool go_on = base::consume(context, whole.data(), wanted_); // which says what to read next
    if (std::exchange(hands_on_gathered_, false))
      release();
    if (!known && seat_->greeted() && !this->detached())
      forget_helper();
    return go_on;
  }

  void flush() override {
    if (stream_.wr_buf().size() > seat_->unread_limit())
      seat_->cut("answers that are not read");
    base::flush();
  }
  std::vector<char>& rd_buf() override { return hands_on_gathered_ ? gathered_ : stream_.rd_buf(); }

private:
  static constexpr std::size_t piece_bytes = 64u << 10;
  static constexpr std::size_t kept_bytes = 1u << 20;

  void read_on() {
    auto missing = hands_on_gathered_ ? wanted_ : wanted_ - gathered_.size();
    auto piece = std::min(missing, piece_bytes);
    stream_.configure_read(caf::io::receive_policy::exactly(piece));
  }
  void release() {
    gathered_.clear();
    if (gathered_.capacity() > kept_bytes)
      gathered_.shrink_to_fit();
  }
  /// The framework spawns an actor for each new program, to spawn actors there, and keeps it in a
  /// table for ever.
  void forget_helper() {
    auto& broker = static_cast<caf::io::basp_broker&>(*this->parent());
    auto found = broker.spawn_servers.find(broker.instance.tbl().lookup_direct(this->hdl()));
    if (found == broker.spawn_servers.end())
      return;
    caf::anon_send_exit(found->second, caf::exit_reason::kill);
    broker.spawn_servers.erase(found);
  }

  using base::stream_;
  bool hands_on_gathered_ = false;
  std::size_t wanted_ = 0;
  std::vector<char> gathered_;       ///< what has come of a long payload
  std::unique_ptr<actor_seat> seat_; ///< the base's stream outlives it: gone before the socket is
};

} // namespace troupe::net
