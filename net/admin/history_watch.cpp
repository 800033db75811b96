#include "net/admin/history_watch.hpp"

#include "net/admin/admin_reads.hpp"
#include "net/admin/status_view.hpp"
#include "storage/clock.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <unistd.h>

namespace troupe::net {

namespace {

/// A node's own status takes a second where a part is silent.
constexpr auto patience = std::chrono::seconds(3);
/// Between two looks at what groups stored: there may be many.
constexpr auto progress_step = std::chrono::seconds(10);

std::int64_t micros(std::chrono::steady_clock::duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}

/// Of several queue-managers together; not known when one of them does not say it.
void set_edges(history_sample& to, const node_status& s) {
  using c = history_column;
  auto add = [&to](c column, const status_edge& e) {
    auto& sum = to[column];
    sum = !e.backlog || sum < -1 ? -2 : std::max<std::int64_t>(sum, 0) + *e.backlog;
  };
  for (auto column :
       {c::not_flushed, c::in_flight, c::not_passed_on, c::not_applied, c::not_durable})
    to[column] = -1; // nobody has spoken
  for (auto& e : edges_of(s)) {
    if (e.to == "flusher")
      add(c::not_flushed, e);
    else if (e.to == "dispatcher")
      add(c::in_flight, e);
    else if (e.from == "dispatcher")
      add(c::not_passed_on, e);
    else if (e.from == "writer")
      add(c::not_applied, e);
    else
      add(c::not_durable, e);
  }
  for (auto column :
       {c::not_flushed, c::in_flight, c::not_passed_on, c::not_applied, c::not_durable})
    if (to[column] < 0)
      to[column] = not_known;
}

} // namespace

history_sample sample_of(const node_status& s, std::int64_t answer_us) {
  using c = history_column;
  history_sample now;
  now[c::answer_us] = answer_us;
  if (known(s, {"writer"})) {
    now[c::log_bytes] = s.writer.end;
    now[c::delayed_requests] = static_cast<std::int64_t>(s.writer.delayed_requests);
    now[c::delayed_ms] = static_cast<std::int64_t>(s.writer.delayed_ms);
    now[c::parked] = static_cast<std::int64_t>(s.writer.parked_requests);
  }
  if (known(s, {"queue-manager"}))
    now[c::entries] = static_cast<std::int64_t>(s.queues.entries);
  if (known(s, {"flusher"}))
    now[c::flushes] = static_cast<std::int64_t>(s.flusher.flushes);
  if (known(s, {"cleaner"}))
    now[c::disk_percent] = s.cleaner.disk_used_percent;
  set_edges(now, s);
  return now;
}

std::int64_t own_memory() {
  auto* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr)
    return not_known;
  long long whole = 0;
  long long resident = 0;
  long long shared = 0;
  auto read = std::fscanf(file, "%lld %lld %lld", &whole, &resident, &shared);
  std::fclose(file);
  return read == 3 ? (resident - shared) * ::sysconf(_SC_PAGESIZE) : not_known;
}

history_watch::history_watch(admin_actor::pointer self, node_actor node,
                             std::array<int, 3> disk_percent)
    : self_(self), node_(std::move(node)), setting_{disk_percent}, began_(self->clock().now()),
      began_ms_(storage::system_wall_clock().now_ms()), due_(began_) {
  arm(due_);
}

/// One for a look that was to come later finds that it is not due yet.
void history_watch::arm(time_point due) {
  due_ = due;
  auto wait = std::chrono::ceil<std::chrono::milliseconds>(due - self_->clock().now());
  self_->delayed_send(self_, std::max(wait, std::chrono::milliseconds(0)), pulse_atom_v);
}

std::int64_t history_watch::time_of(time_point now) const {
  return began_ms_ + std::chrono::duration_cast<std::chrono::milliseconds>(now - began_).count();
}

void history_watch::look(const registrar_actor& registrar) {
  auto asked = self_->clock().now();
  if (looking_ || asked < due_)
    return;
  looking_ = true;
  ask_progress(registrar, asked);
  self_->request(node_, patience, status_atom_v)
      .then(
          [this, asked](const node_status& s) {
            looked(sample_of(s, micros(self_->clock().now() - asked)));
          },
          [this](const caf::error&) { looked({}); });
}

void history_watch::looked(history_sample sample) {
  auto now = self_->clock().now();
  sample.at_ms = time_of(now);
  sample[history_column::consumed] = std::exchange(consumed_, not_known);
  sample[history_column::memory] = own_memory();
  history_.add(sample);
  looking_ = false;
  auto step = pace_.step(now);
  arm(std::max(due_ + step, now + step / 2)); // a slow answer is not followed by the next question
}

void history_watch::ask_progress(const registrar_actor& registrar, time_point now) {
  if (!registrar || !pace_.watched(now) || now < consumed_due_)
    return;
  consumed_due_ = now + progress_step;
  self_->request(registrar, patience, list_atom_v, std::string())
      .then(
          [this](const group_list& all) {
            consumed_ = 0;
            for (auto& o : all.offsets)
              consumed_ += std::max<std::int64_t>(o.offset, 0);
          },
          [](const caf::error&) {});
}

admin_answer history_watch::answer(const std::string& query) {
  auto fields = query_fields::parse(query, {"since"});
  if (!fields)
    return refusal_of(fields.error());
  auto since = fields.value().has("since") ? fields.value().number("since", 0, INT64_MAX)
                                           : storage::result<std::int64_t>(0);
  if (!since)
    return refusal_of(since.error());
  auto now = self_->clock().now();
  bool began = !pace_.watched(now);
  pace_.asked(now);
  if (began && !looking_) // not only when the ten seconds are over
    arm(now);
  return json_answer(history_json(history_, setting_, since.value()));
}

} // namespace troupe::net
