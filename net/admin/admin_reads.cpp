#include "net/admin/admin_reads.hpp"

#include "actors/error.hpp"
#include "net/admin/detail_json.hpp"
#include "net/admin/detail_walk.hpp"
#include "net/consumer.hpp"
#include "net/quantity.hpp"
#include "storage/clock.hpp"
#include "storage/tables/offset_table.hpp"

#include <optional>
#include <utility>

namespace troupe::net {

namespace {

using storage::errc;

/// Of whole records; one always comes, whatever its size.
constexpr std::uint64_t most_pull_bytes = storage::mib;

storage::error missing(std::string what) {
  return {errc::not_found, std::move(what)};
}

/// What a path names behind `front`; null: it is another path.
std::optional<std::string_view> name_behind(std::string_view path, std::string_view front) {
  if (!path.starts_with(front) || path.size() == front.size())
    return std::nullopt;
  return path.substr(front.size());
}

} // namespace

admin_answer refusal_of(const storage::error& why) {
  auto status = why.code == errc::not_found          ? 404U
                : why.code == errc::invalid_argument ? 400U
                                                     : 503U;
  return text_answer(why.message + "\n", status);
}

admin_reads::admin_reads(admin_actor::pointer self, node_actor node)
    : self_(self), node_(std::move(node)) {}

bool admin_reads::take(const admin_request& request, const admin_reply& reply) {
  bool message = request.path == "/v1/messages";
  auto topic_name = name_behind(request.path, "/v1/topics/");
  auto group_name = name_behind(request.path, "/v1/groups/");
  if (!message && !topic_name && !group_name)
    return false;
  if (message) {
    auto fields = query_fields::parse(request.query,
                                      {"topic", "queue", "offset", "time", "key", "id", "max"});
    if (!fields)
      reply(refusal_of(fields.error()));
    else
      open(reply, [this, fields = std::move(fields).value()](const admin_reply& to) {
        messages(fields, to);
      });
    return true;
  }
  auto name = decode_escapes(topic_name ? *topic_name : *group_name);
  auto good = !name        ? storage::result<void>(name.error())
              : topic_name ? storage::check_topic_name(name.value())
                           : storage::check_group_name(name.value());
  if (!good)
    reply(refusal_of(good.error()));
  else if (topic_name)
    open(reply, [this, name = name.value()](const admin_reply& to) { topic(name, to); });
  else
    open(reply, [this, name = name.value()](const admin_reply& to) { group(name, to); });
  return true;
}

/// Calls `then` with a session there, and a reply that counts as open until it is let go of.
void admin_reads::open(const admin_reply& reply, question then) {
  if (*open_ >= most_open)
    return reply(refusal_of({errc::busy, "too many questions at once; try again"}));
  ++*open_;
  auto held = std::shared_ptr<void>(nullptr, [open = open_](void*) { --*open; });
  admin_reply counted = [reply, held](admin_answer answer) { reply(std::move(answer)); };
  used_ = self_->clock().now();
  if (session_)
    return then(counted);
  waiting_.push_back({std::move(counted), std::move(then)});
  if (std::exchange(opening_, true))
    return;
  auto me = caf::actor_cast<caf::strong_actor_ptr>(self_);
  self_->request(node_, caf::infinite, hello_atom_v, me)
      .then([this](const session_actor& session) { session_open(session); },
            [this](const caf::error& why) {
              opening_ = false;
              for (auto& one : std::exchange(waiting_, {}))
                one.reply(refusal_of(from_caf(why)));
            });
}

void admin_reads::session_open(const session_actor& session) {
  opening_ = false;
  session_ = session;
  self_->monitor(session_);
  for (auto& one : std::exchange(waiting_, {}))
    one.then(one.reply);
}

void admin_reads::session_ended(const caf::actor_addr& who) {
  if (session_ && session_.address() == who)
    session_ = nullptr;
}

void admin_reads::rest_if_idle() {
  if (!session_ || *open_ > 0 || self_->clock().now() - used_ < rest)
    return;
  caf::anon_send_exit(session_, caf::exit_reason::user_shutdown);
  session_ = nullptr;
}

// -- topics and groups ---------------------------------------------------------------------------

void admin_reads::topic(const std::string& name, const admin_reply& reply) {
  ask<topic_description>(
      reply,
      [this, reply](const topic_description& all) {
        std::vector<queue_look> looks;
        for (std::size_t i = 0; i < all.queues.size() && looks.size() < most_looks; ++i)
          if (all.queues[i].max > all.queues[i].min)
            looks.push_back({i, all.info.name, all.queues[i].queue_id, all.queues[i].min});
        look_at(*this, std::move(looks), [reply, all](const store_times& oldest) {
          reply(json_answer(topic_detail_json(all, oldest)));
        });
      },
      bounds_atom_v, name);
}

void admin_reads::group(const std::string& name, const admin_reply& reply) {
  ask<group_list>(
      reply,
      [this, reply, name](const group_list& kept) {
        auto all = std::make_shared<group_detail>();
        all->group = name;
        all->settings = !kept.settings.empty();
        for (auto& o : kept.offsets)
          all->queues.push_back({o.topic, o.queue_id, o.offset});
        find_members(*this, all, [this, reply, all] {
          if (!all->settings && all->queues.empty() &&
              all->members.value_or(std::vector<std::string>()).empty())
            return reply(refusal_of(missing("nothing is known of a group " + all->group)));
          find_bounds(*this, all, [this, reply, all] {
            look_at(*this, looks_of(*all), [reply, all](const store_times& next) {
              auto now = storage::system_wall_clock().now_ms();
              reply(json_answer(group_detail_json(*all, next, now)));
            });
          });
        });
      },
      list_atom_v, name);
}

// -- messages ------------------------------------------------------------------------------------

void admin_reads::messages(const query_fields& fields, const admin_reply& reply) {
  auto refuse = [&reply](const storage::error& why) { reply(refusal_of(why)); };
  int ways = 0;
  for (auto* way : {"offset", "time", "key", "id"})
    ways += fields.has(way) ? 1 : 0;
  if (ways != 1)
    return refuse({errc::invalid_argument, "give one of offset, time, key and id"});
  if (fields.has("id"))
    return by_id(*fields.find("id"), reply);
  auto topic = fields.text("topic");
  if (!topic)
    return refuse(topic.error());
  if (auto good = storage::check_topic_name(topic.value()); !good)
    return refuse(good.error());
  auto most = fields.has("max") ? fields.number("max", 1, most_messages)
                                : storage::result<std::int64_t>(most_messages);
  if (!most)
    return refuse(most.error());
  auto count = static_cast<std::uint32_t>(most.value());
  if (fields.has("key"))
    return by_key(topic.value(), *fields.find("key"), count, reply);
  auto queue = fields.number("queue", 0, storage::max_queues_per_topic - 1);
  if (!queue)
    return refuse(queue.error());
  pull_request wanted{
      topic.value(), static_cast<std::int32_t>(queue.value()), 0, count, most_pull_bytes, {}, 0};
  if (fields.has("time")) {
    auto time = parse_moment(*fields.find("time"), storage::system_wall_clock().now_ms());
    if (!time)
      return refuse(time.error());
    return find_queue(wanted, reply,
                      [this, wanted, reply, at = time.value()] { by_time(wanted, at, reply); });
  }
  auto from = fields.number("offset", 0, INT64_MAX);
  if (!from)
    return refuse(from.error());
  wanted.from = from.value();
  find_queue(wanted, reply, [this, wanted, reply] { pull(wanted, reply); });
}

/// A pull does not tell that there is no such topic.
void admin_reads::find_queue(const pull_request& wanted, const admin_reply& reply,
                             std::function<void()> then) {
  ask<topic_description>(
      reply,
      [reply, wanted, then](const topic_description& found) {
        if (found.queues.empty())
          return reply(refusal_of(missing("topic " + wanted.topic + " has no queue " +
                                          std::to_string(wanted.queue_id))));
        then();
      },
      bounds_atom_v, wanted.topic, wanted.queue_id);
}

void admin_reads::by_id(const std::string& text, const admin_reply& reply) {
  auto id = storage::parse_message_id(text);
  if (!id)
    return reply(refusal_of(id.error()));
  ask<record_batch>(
      reply,
      [reply, id = id.value(), text](const record_batch& found) {
        // The place may hold a message of another node's that has the same number there.
        auto view = found.records.empty()
                        ? storage::result<storage::record_view>(missing("no message has that id"))
                        : client::decode(found.records.front());
        if (!view || !(view.value().store_host == id.store_host))
          return reply(refusal_of(missing("no message has the id " + text + " here")));
        reply(json_answer(messages_json(found, most_body_bytes)));
      },
      fetch_atom_v, id.value().offset);
}

void admin_reads::by_key(const std::string& topic, const std::string& key, std::uint32_t most,
                         const admin_reply& reply) {
  if (key.empty() || key.find(' ') != std::string::npos)
    return reply(refusal_of({errc::invalid_argument, "a key is a word without a blank"}));
  ask<topic_description>(
      reply, // or there is no such topic, which a search does not tell
      [this, reply, topic, key, most](const topic_description&) {
        ask<record_batch>(
            reply,
            [reply](const record_batch& found) {
              reply(json_answer(messages_json(found, most_body_bytes)));
            },
            key_query{topic, key, most, 0, INT64_MAX});
      },
      bounds_atom_v, topic, std::int32_t{0});
}

void admin_reads::by_time(const pull_request& wanted, std::int64_t time_ms,
                          const admin_reply& reply) {
  ask<queue_offset>(
      reply,
      [this, reply, wanted](queue_offset found) {
        auto from = wanted;
        from.from = found;
        pull(from, reply);
      },
      search_atom_v, wanted.topic, wanted.queue_id, time_ms);
}

void admin_reads::pull(const pull_request& wanted, const admin_reply& reply) {
  ask<pull_response>(
      reply,
      [reply, wanted](const pull_response& found) {
        reply(json_answer(pull_json(wanted, found, most_body_bytes)));
      },
      wanted);
}

} // namespace troupe::net
