#include "net/gateway/offset_desk.hpp"

#include "net/gateway/cached_log.hpp"
#include "net/remoting/codes.hpp"
#include "storage/mutant.hpp"

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

} // namespace

request_lines offset_desk::lines() {
  return {
      line_for(this, request_code::query_consumer_offset, request_kind::question,
               &offset_desk::fetch),
      line_for(this, request_code::update_consumer_offset, request_kind::progress,
               &offset_desk::store),
  };
}

void offset_desk::fetch(const session_actor& session, const ticket& who,
                        const client_request& request) {
  auto h = counter_.fields_of<remoting::group_queue_header>(who, request);
  if (!h)
    return;
  counter_.ask<group_offset>(
      who, session,
      [this, who, h = *h](const group_offset& stored) {
        if (stored.offset >= 0)
          counter_.succeed(who, remoting::offset_header{stored.offset});
        else
          find_first(who, h);
      },
      fetch_atom_v, group_offset{h->group, h->topic, h->queue_id, -1});
}

/// A group without progress starts at the beginning of a young queue: one that still has its first
/// message, in a log that fits into memory. For any other the client decides where to start.
void offset_desk::find_first(const ticket& who, const remoting::group_queue_header& wanted) {
  auto* session = sessions_.find_or_refuse(who);
  if (session == nullptr)
    return;
  auto none = [this, who] {
    counter_.reply(who, response_code::query_not_found,
                   "Not found, maybe this group consumer boot first");
  };
  auto described = [this, who, session = *session, none,
                    queue = wanted.queue_id](const topic_description& topic) {
    std::int64_t begin = 0;
    for (auto& q : topic.queues)
      if (q.queue_id == queue) {
        if (q.min > q.first)
          return none();
        begin = q.min; // above 0 when the topic was deleted and made again
      }
    counter_.ask<node_status>(
        who, session,
        [this, who, none, begin](const node_status& node) {
          if (!answers(node, "writer"))
            counter_.fail(who,
                          {errc::unavailable, "the log's size is not known just now; try again"});
          else if (is_cached(node))
            counter_.succeed(who, remoting::offset_header{begin});
          else
            none();
        },
        status_atom_v);
  };
  self_->request(*session, caf::infinite, bounds_atom_v, wanted.topic, wanted.queue_id)
      .then(described, [this, who, none](const caf::error& why) {
        if (auto e = from_caf(why); e.code != errc::not_found)
          counter_.fail(who, e);
        else
          none();
      });
}

void offset_desk::store(const session_actor& session, const ticket& who,
                        const client_request& request) {
  auto h = counter_.fields_of<remoting::commit_header>(who, request);
  if (!h)
    return;
  group_offset progress{h->group, h->topic, h->queue_id, h->offset};
  if (TROUPE_MUTANT("progress-not-waited-for")) {
    self_->request(session, caf::infinite, store_atom_v, std::move(progress))
        .then([](const group_offset&) {}, [](const caf::error&) {});
    return counter_.reply(who, response_code::success, {});
  }
  counter_.ask<group_offset>(
      who, session,
      [this, who](const group_offset&) { counter_.reply(who, response_code::success, {}); },
      store_atom_v, std::move(progress));
}

} // namespace troupe::net
