// How a transactor lets producers be asked, and gives up what nobody resolves.

#include "actors/transactor.hpp"
#include "actors/transactor_ask.hpp"
#include "storage/format/properties.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace troupe {

namespace {

constexpr milliseconds others_patience{10'000};
constexpr milliseconds writer_patience{120'000};
constexpr std::size_t most_askers = 64;
/// Records that are looked at for one batch of checks.
constexpr std::int64_t most_check_span = 256;

using storage::error;

} // namespace

// -- checking ------------------------------------------------------------------------------------

void transactor_state::check(const std::vector<queue_offset>& halves) {
  auto span = std::min(halves.back() - halves.front() + 1, most_check_span);
  pull(
      core::queue::half, halves.front(), static_cast<std::uint32_t>(span), 0,
      [this, halves](const pull_response& answer) { check_found(halves, answer); },
      [this, halves] {
        for (auto at : halves)
          core_->checked(at, core::outcome::later, 0, now());
        work();
      });
}

void transactor_state::check_found(const std::vector<queue_offset>& halves,
                                   const pull_response& answer) {
  std::map<queue_offset, known_half> found;
  for (auto& record : answer.records)
    if (auto half = read(record))
      found.emplace(half->view.queue_position, std::move(*half));
  bool moved = answer.status == pull_status::offset_too_small;
  put_bundle bundle;
  std::vector<put_pair> pairs;
  for (auto at : halves) {
    auto half = found.find(at);
    if (half != found.end()) {
      if (!add_check(half->second, bundle, pairs))
        core_->checked(at, core::outcome::later, 0, now());
    } else if ((moved || answer.status == pull_status::found) && at < answer.next) {
      storage::log_warning("transaction.skipped", {{"half", at}, {"reason", "nobody can read it"}});
      core_->checked(at, core::outcome::done, 0, now());
    } else {
      core_->checked(at, core::outcome::later, 0, now());
    }
  }
  put_pairs(std::move(bundle), std::move(pairs));
  work();
}

/// False when its bytes are gone.
bool transactor_state::add_check(const known_half& half, put_bundle& bundle,
                                 std::vector<put_pair>& pairs) {
  put_pair pair;
  pair.at = half.view.queue_position;
  std::optional<put_request> request;
  if (half.facts.checks < setup_.options.transaction.check_max) {
    pair.checks = half.facts.checks + 1;
    auto counted = TROUPE_MUTANT("question-not-counted") ? half.facts.checks : pair.checks;
    request = message_of(half, storage::half_again(half.view, counted));
    pair.then = core::outcome::again;
    pair.half = half;
  }
  if (!request) {
    request = message_of(half, storage::unresolved(half.view));
    pair.then = core::outcome::done;
    storage::log_warning(
        "transaction.given_up",
        {{"group", half.facts.group},
         {"topic", storage::find_property(half.view.properties, storage::property::real_topic)},
         {"key", half.facts.unique_key},
         {"checks", half.facts.checks}});
  }
  if (!request)
    return false;
  bundle.requests.push_back(std::move(*request));
  bundle.requests.push_back(word_about(pair.at, true));
  pairs.push_back(std::move(pair));
  return true;
}

void transactor_state::say_done(const std::vector<queue_offset>& halves) {
  put_bundle bundle;
  std::vector<put_pair> pairs;
  for (auto at : halves) {
    bundle.requests.push_back(word_about(at, false));
    put_pair pair;
    pair.at = at;
    pair.alone = true;
    pairs.push_back(std::move(pair));
  }
  put_pairs(std::move(bundle), std::move(pairs));
}

void transactor_state::put_pairs(put_bundle bundle, std::vector<put_pair> pairs) {
  if (pairs.empty())
    return;
  auto shared = std::make_shared<std::vector<put_pair>>(std::move(pairs));
  ask<put_bundle_response>(
      roles_.writer, writer_patience,
      [this, shared](put_bundle_response& answer) {
        std::size_t next = 0;
        for (auto& pair : *shared) {
          auto wanted = pair.alone ? std::size_t{1} : std::size_t{2};
          if (!core_)
            return;
          if (answer.responses.size() - next < wanted)
            return begin_again("the writer answered less than it was asked");
          auto* message = pair.alone ? nullptr : &answer.responses[next];
          next += wanted;
          settle(pair, message, answer.responses[next - 1]);
        }
        work();
      },
      [this, shared](const error& why) {
        if (roles_.writer)
          return begin_again(why.message);
        for (auto& pair : *shared)
          pair.alone ? core_->doubled(pair.at, false, now())
                     : core_->checked(pair.at, core::outcome::later, 0, now());
      },
      std::move(bundle));
}

void transactor_state::settle(const put_pair& pair, const put_response* message,
                              const put_response& word) {
  bool stored = is_stored(word);
  if (stored)
    seen_to_ = std::max(seen_to_, word.results.front().offset + 1);
  if (pair.alone && (stored || is_refused(word)))
    return core_->doubled(pair.at, stored, now());
  if (message != nullptr && stored && is_stored(*message)) {
    auto& place = message->results.front();
    core_->checked(pair.at, pair.then, place.queue_position, now());
    if (pair.half && pair.then == core::outcome::again)
      ask_producer(*pair.half, pair.checks, place.offset, place.queue_position);
    return;
  }
  if (message != nullptr && is_refused(*message) && is_refused(word)) {
    say("transaction.refused", word.failure.message);
    return core_->checked(pair.at, core::outcome::later, 0, now());
  }
  begin_again(word.failure.message);
}

// -- asking producers ----------------------------------------------------------------------------

void transactor_state::add_asker(const caf::strong_actor_ptr& who) {
  auto asker = caf::actor_cast<transaction_asker>(who);
  if (!asker || askers_.size() >= most_askers ||
      std::find(askers_.begin(), askers_.end(), asker) != askers_.end())
    return;
  askers_.push_back(asker);
  self_->monitor(asker);
}

void transactor_state::asker_ended(const caf::actor_addr& who) {
  std::erase_if(askers_, [&](const transaction_asker& one) { return one.address() == who; });
}

/// Whether anybody is there or not, it counts.
void transactor_state::ask_producer(const known_half& half, std::int32_t checks, log_offset offset,
                                    queue_offset position) {
  auto record = storage::record_for_check(half.view, checks, offset, position);
  if (!record || half.record.damaged() || askers_.empty())
    return;
  transaction_check question;
  question.group = half.facts.group;
  question.unique_key = half.facts.unique_key;
  question.offset = offset;
  question.position = position;
  question.record = storage::slice::copy_of(record.value());
  try_asker(question, asker_turn_++, askers_.size());
}

/// One door after the other, until one has a producer of the group.
void transactor_state::try_asker(const transaction_check& question, std::size_t turn,
                                 std::size_t left) {
  if (left == 0 || askers_.empty())
    return;
  auto next = [this, question, turn, left] { try_asker(question, turn + 1, left - 1); };
  ask<bool>(
      askers_[turn % askers_.size()], others_patience,
      [next](bool& sent) {
        if (!sent)
          next();
      },
      [next](const error&) { next(); }, question);
}

} // namespace troupe
