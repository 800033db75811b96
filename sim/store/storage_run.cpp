#include "sim/store/storage_run.hpp"

#include "sim/store/storage_check.hpp"
#include "sim/store/storage_rot.hpp"
#include "sim/trace_hash.hpp"
#include "storage/recovery/checkpoint.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

namespace troupe::sim {

namespace {

class storage_run {
public:
  storage_run(const storage_scenario& scenario, const run_tracer& tracer);
  run_outcome run();

private:
  void run_life(const life& l);
  bool recover();
  bool recover_once(std::uint64_t& fingerprint);
  bool index_cut();
  finding check_end();
  void check_recovered();
  void carry_out(const step& s);
  storage::result<void> act(const step& s, random_source random);
  void read(random_source random);
  void end(const life& l, bool serving);
  void judge(const char* what, const storage::error& why);
  void judge(const check_result& found);
  void judge_refusal(const char* what, const storage::error& why);
  void fail(std::string what);
  void say(const std::string& what) const;
  bool faulty() const { return disk_.faults_hit() > 0 || !honest_; }

  const storage_scenario& scenario_;
  const run_tracer& tracer_;
  bool honest_;
  bool rots_; ///< that is all that is wrong with the disk
  storage::options options_;
  simulated_disk disk_;
  run_clock clock_;
  storage_ledger ledger_;
  storage_rot rot_;
  std::unique_ptr<store_process> process_;
  trace_hash trace_;
  run_outcome outcome_;
  std::size_t life_ = 0;
  std::optional<std::size_t> step_;
  std::size_t flips_before_ = 0; ///< bits that had turned over when this life began
};

storage_run::storage_run(const storage_scenario& scenario, const run_tracer& tracer)
    : scenario_(scenario), tracer_(tracer), honest_(scenario.honest_disk()),
      rots_(!honest_ && !scenario.lies()), rot_(disk_, options_, ledger_) {
  auto& knobs = scenario.knobs;
  options_.directory = "/store";
  options_.log_file_size_bytes = knobs.log_file_size_bytes;
  options_.queue_file_size_bytes = knobs.queue_file_size_bytes;
  options_.index_slots = knobs.index_slots;
  options_.index_entries = knobs.index_entries;
  options_.record_crc = knobs.record_crc;
  options_.scan_threads = 1; // the simulation is one thread
  disk_.on_operation = [this](const operation& call) {
    ++outcome_.calls;
    trace_.add(static_cast<std::uint64_t>(call.kind));
    trace_.add(call.path);
    trace_.add(call.offset);
    if (!call.path.ends_with("/abort")) // holds the number of this process
      trace_.add(call.size);
  };
}

run_outcome storage_run::run() {
  for (life_ = 0; life_ < scenario_.lives.size() && !outcome_.failure; ++life_)
    run_life(scenario_.lives[life_]);
  outcome_.trace = trace_.value();
  return outcome_;
}

void storage_run::run_life(const life& l) {
  step_.reset();
  flips_before_ = disk_.flipped_bits().size();
  disk_.set_faults(l.faults);
  auto serving = recover();
  say(serving ? "the log is [" + std::to_string(process_->min()) + ", " +
                    std::to_string(process_->end()) + ")"
              : "it does not start");
  if (serving) {
    for (std::size_t i = 0; i < l.steps.size() && !disk_.crashed() && !outcome_.failure; ++i) {
      step_ = i;
      carry_out(l.steps[i]);
    }
    step_.reset();
  }
  if (!outcome_.failure)
    end(l, serving);
}

/// Twice: the second recovery must find nothing left to do, unless something kept the first from
/// doing all of it. What a fault has kept it from the next one does, so it is tried again.
bool storage_run::recover() {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  bool whole = false;
  for (int tries = 0; tries < 3 && !whole; ++tries) {
    process_.reset();
    auto hits = disk_.faults_hit();
    if (!recover_once(first))
      return false;
    whole = disk_.faults_hit() == hits && !index_cut();
  }
  auto hits = disk_.faults_hit();
  process_.reset();
  if (!recover_once(second))
    return false;
  if (first != second && whole && disk_.faults_hit() == hits && honest_)
    fail("a second recovery changed the store");
  if (auto done = process_->catch_up(); !done) {
    judge_refusal("the queues cannot be brought up to the log", done.error());
    return false;
  }
  check_recovered();
  return !outcome_.failure && !disk_.crashed();
}

bool storage_run::recover_once(std::uint64_t& fingerprint) {
  process_ = std::make_unique<store_process>(disk_, options_, scenario_.knobs, clock_, ledger_);
  if (auto done = process_->recover(); !done) {
    judge_refusal("the start was refused", done.error());
    return false;
  }
  if (auto found = check_end()) {
    fail(*found);
    return false;
  }
  ledger_.recovered(process_->min(), process_->end());
  fingerprint = disk_.fingerprint();
  return true;
}

/// A page of the index could not be read: a part of it was kept, and the checkpoint vouches for
/// none of it until all is indexed again.
bool storage_run::index_cut() {
  unwatched_disk quiet(disk_);
  if (disk_.faults_hit() == 0)
    return false;
  auto known = storage::load_checkpoint(disk_, storage::checkpoint_path(options_));
  return known && known.value().extension_valid &&
         known.value().index_files == std::numeric_limits<std::uint32_t>::max();
}

/// Whether the log was recovered up to where it has to be.
finding storage_run::check_end() {
  unwatched_disk quiet(disk_);
  if (honest_)
    return check_bounds(ledger_, process_->min(), process_->end());
  return rots_ ? rot_.check_cut(process_->end()) : finding();
}

void storage_run::check_recovered() {
  unwatched_disk quiet(disk_);
  if (disk_.crashed())
    return;
  ++outcome_.recoveries;
  outcome_.records += ledger_.records().size();
  if (honest_)
    judge(check_store(*process_, ledger_));
  else if (rots_)
    judge(rot_.check_served(*process_, disk_.flipped_bits().size() == flips_before_));
  else if (auto found = check_bytes(*process_, ledger_))
    fail(*found);
}

void storage_run::carry_out(const step& s) {
  random_source random(s.seed);
  clock_.now += static_cast<std::int64_t>(random.one_in(10) ? random.below(5000) : random.below(4));
  if (scenario_.knobs.backward_clock && random.one_in(20))
    clock_.now -= static_cast<std::int64_t>(random.below(10'000));
  disk_.set_time_ms(clock_.now);
  auto done = act(s, random);
  say(std::string(name_of(s.what)) + (done ? ": the log ends at " + std::to_string(process_->end())
                                           : " failed: " + done.error().message));
  if (!done)
    judge("a step failed", done.error());
}

storage::result<void> storage_run::act(const step& s, random_source random) {
  switch (s.what) {
  case step_kind::append:
    return process_->append(random);
  case step_kind::flush:
    return process_->flush();
  case step_kind::dispatch:
    return process_->dispatch(random);
  case step_kind::begin_sync:
    return process_->begin_sync();
  case step_kind::finish_sync:
    return process_->finish_sync();
  case step_kind::clean:
    return process_->clean(random);
  case step_kind::read:
    read(random);
    break;
  }
  return boost::outcome_v2::success();
}

void storage_run::read(random_source random) {
  auto& records = ledger_.records();
  auto known = std::min(process_->applied(), ledger_.written());
  for (int i = 0; i < 5 && !records.empty(); ++i) {
    auto& put = records[random.below(records.size())];
    if (put.offset < process_->min() || put.end() > known)
      continue;
    if (honest_)
      judge(check_read(*process_, put));
  }
}

void storage_run::end(const life& l, bool serving) {
  if (l.end == ending::stop && serving && !disk_.crashed())
    if (auto done = process_->stop(); !done)
      judge("the stop was not orderly", done.error());
  process_.reset();
  if (auto held = disk_.open_handles(); !held.empty())
    fail("P9: not closed: " + held.front());
  if (l.end == ending::power_cut) {
    random_source random(l.seed);
    disk_.power_cut(l.survives, random);
    ledger_.lost_power();
  } else {
    disk_.restart();
  }
  trace_.add(disk_.fingerprint(options_.directory + "/commitlog"));
  trace_.add(disk_.fingerprint(options_.directory + "/consumequeue"));
  trace_.add(disk_.fingerprint(options_.directory + "/index"));
}

/// An error is well deserved after a fault, and a bug without one.
void storage_run::judge(const char* what, const storage::error& why) {
  if (!faulty())
    fail(std::string(what) + " without a fault: " + why.message);
}

/// Bits that turned over do not keep a store from starting, unless they are in its log; then all
/// that is not damaged is still there.
void storage_run::judge_refusal(const char* what, const storage::error& why) {
  judge(what, why);
  if (!rots_ || disk_.crashed())
    return;
  if (rot_.in_log()) {
    unwatched_disk quiet(disk_);
    if (auto found = rot_.check_kept())
      fail(*found);
  } else if (std::ranges::all_of(scenario_.lives[life_].faults, [](const fault& f) {
               return f.what == fault_kind::flip_bit || f.what == fault_kind::write_back;
             })) {
    fail(std::string(what) + " though the log is not damaged: " + why.message);
  }
}

void storage_run::judge(const check_result& found) {
  if (found.wrong)
    fail(*found.wrong);
  else if (found.unreadable && !faulty())
    fail(*found.unreadable);
}

void storage_run::say(const std::string& what) const {
  if (tracer_)
    tracer_("life " + std::to_string(life_) + ": " + what);
}

void storage_run::fail(std::string what) {
  if (!outcome_.failure)
    outcome_.failure = run_failure{life_, step_, std::move(what)};
}

} // namespace

run_outcome run_storage(const storage_scenario& scenario, const run_tracer& tracer) {
  return storage_run(scenario, tracer).run();
}

std::string to_string(const run_failure& failure, const storage_scenario& scenario) {
  return failure.what + "\nin life " + std::to_string(failure.life) +
         (failure.step ? ", step " + std::to_string(*failure.step) : ", outside of the steps") +
         "\n" + to_string(scenario);
}

} // namespace troupe::sim
