// Of the delayer: timer messages that are recalled.

#include "actors/delayer.hpp"
#include "storage/format/timer_message.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

/// So long after their time they are kept, if all that is due has come by then: it is no matter of
/// a moment's clock.
constexpr std::int64_t recalled_kept_ms = 60'000;

} // namespace

storage::result<void> delayer_state::load_recalled() {
  TROUPE_TRY(auto loaded, storage::recalled_messages::load(*setup_.files, setup_.options.store));
  recalled_ = std::move(loaded);
  for (auto& text : recalled_->warnings())
    storage::log_warning("delayer.ignored", {{"what", text}});
  return boost::outcome_v2::success();
}

/// From now on it is left out, so only what the writer has already can still come.
caf::result<bool> delayer_state::recall(message_recall what) {
  storage::recalled_message one{std::move(what.topic), std::move(what.unique_key), what.deliver_ms};
  if (auto good = recalled_->add(one); !good)
    return to_caf(good.error());
  open_recall open{std::move(one), kept_promise<bool>{self_}, {}, false};
  for (std::int32_t lane = 1; lane <= core::lanes(); ++lane)
    if (core_.delivering(lane) && of(lane).asked != 0)
      open.under_way.emplace_back(lane, of(lane).asked);
  auto answer = open.promise;
  recalls_.push_back(std::move(open));
  self_->send(self_, work_atom_v); // behind others that came with it
  return answer;
}

bool delayer_state::is_recalled(const storage::record_view& waiting,
                                const std::string& topic) const {
  if (recalled_->empty())
    return false;
  auto time = storage::waits_until(waiting.properties);
  auto key = storage::find_property(waiting.properties, storage::property::unique_key);
  return time && recalled_->holds({topic, std::string(key), *time});
}

void delayer_state::answer_recalls() {
  if (std::any_of(recalls_.begin(), recalls_.end(), [](auto& one) { return !one.saved; })) {
    auto done = recalled_->save();
    for (auto& one : recalls_) {
      if (!done && !one.saved) {
        recalled_->remove(one.what);
        one.promise.deliver(to_caf(done.error()));
      }
      one.saved = true;
    }
    if (!done)
      say("delay.not_saved", done.error().message);
  }
  std::erase_if(recalls_, [this](auto& one) {
    bool waits = std::any_of(one.under_way.begin(), one.under_way.end(),
                             [this](auto& sent) { return of(sent.first).asked == sent.second; });
    if (!waits)
      one.promise.deliver(true);
    return !waits;
  });
  if (!recalled_->empty() && recalled_->first_ms() < now().wall_ms - recalled_kept_ms)
    save_later();
}

/// Of which recalled ones it is certain, once how far delivery is has been saved, that they do not
/// wait any more.
std::optional<std::int64_t> delayer_state::recalled_until() const {
  if (recalled_->empty() || !core_.caught_up(now()))
    return std::nullopt;
  return now().wall_ms - recalled_kept_ms;
}

void delayer_state::forget_recalled(std::optional<std::int64_t> until) {
  if (!until || !recalled_->remove_before(*until))
    return;
  if (auto done = recalled_->save(); !done)
    say("delay.not_saved", done.error().message); // it only says more than it has to
}

} // namespace troupe
