#include "sim/store/storage_load.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

namespace troupe::sim {

namespace {

constexpr std::array<std::string_view, 7> step_names{
    "append", "flush", "dispatch", "begin-sync", "finish-sync", "clean", "read"};
constexpr std::array<std::string_view, 3> ending_names{"kill", "power-cut", "stop"};

/// Which things happen in one run at all: a run with all of them hides what one alone would show.
struct classes {
  bool crash = false;
  bool errors = false;
  bool no_space = false;
  bool bad_syncs = false;
  bool write_back = false;
  bool damage = false; ///< the disk does not keep its word
  bool power = false;
  bool clean = false;
};

run_knobs draw_knobs(random_source& random) {
  run_knobs knobs;
  knobs.log_file_size_bytes = 4 * storage::kib * random.between(1, 8);
  knobs.queue_file_size_bytes = 20 * random.between(2, 60);
  knobs.index_slots = static_cast<std::uint32_t>(random.between(1, 40));
  knobs.index_entries = static_cast<std::uint32_t>(random.between(2, 120));
  knobs.tail_entries = static_cast<std::uint32_t>(random.between(1, 12));
  knobs.open_files = static_cast<std::uint32_t>(random.between(1, 12));
  knobs.topics = static_cast<std::uint32_t>(random.between(1, 3));
  knobs.queues = static_cast<std::uint32_t>(random.between(1, 4));
  knobs.body_bytes = static_cast<std::uint32_t>(random.between(1, 1200));
  knobs.record_crc = random.one_in(3);
  knobs.backward_clock = random.one_in(4);
  return knobs;
}

step_kind draw_step_kind(random_source& random, bool clean) {
  auto dice = random.below(100);
  if (dice < 40)
    return step_kind::append;
  if (dice < 58)
    return step_kind::flush;
  if (dice < 76)
    return step_kind::dispatch;
  if (dice < 84)
    return step_kind::begin_sync;
  if (dice < 92)
    return step_kind::finish_sync;
  return dice < 96 && clean ? step_kind::clean : step_kind::read;
}

fault draw_fault(const classes& on, std::uint64_t calls, random_source& random) {
  fault f;
  f.call = random.between(1, calls);
  f.argument = random.next() % 100'000;
  constexpr std::array kinds{call_kind::open,   call_kind::allocate, call_kind::write,
                             call_kind::read,   call_kind::sync,     call_kind::map,
                             call_kind::remove, call_kind::rename,   call_kind::sync_directory};
  auto aimed = [&](call_kind kind) {
    f.call = 0;
    f.kind = kind;
    f.skip = static_cast<std::uint32_t>(random.below(20));
  };
  auto dice = random.below(100);
  if (dice < 30 && on.write_back) {
    f.what = fault_kind::write_back;
  } else if (dice < 50 && on.bad_syncs) {
    f.what = fault_kind::lost_sync;
    aimed(random.one_in(4) ? call_kind::sync_directory : call_kind::sync);
  } else if (dice < 60 && on.errors) {
    f.what = fault_kind::short_write;
    f.argument %= 5000;
    aimed(call_kind::write);
  } else if (dice < 66 && on.errors) {
    f.what = random.one_in(2) ? fault_kind::broken_page : fault_kind::too_many_files;
    if (f.what == fault_kind::broken_page)
      aimed(call_kind::map);
  } else if (dice < 74 && on.no_space) {
    f.what = fault_kind::no_space;
    aimed(random.one_in(2) ? call_kind::allocate : call_kind::write);
    f.count = static_cast<std::uint32_t>(random.between(1, 6));
  } else if (dice < 84 && on.damage) {
    f.what = random.one_in(2) ? fault_kind::lying_sync : fault_kind::flip_bit;
    if (f.what == fault_kind::lying_sync)
      aimed(random.one_in(3) ? call_kind::sync_directory : call_kind::sync);
  } else if (on.errors) {
    aimed(kinds[random.below(kinds.size())]);
  } else {
    f.what = fault_kind::write_back;
  }
  return f;
}

life draw_life(const classes& on, random_source& random) {
  life l;
  // Some processes die as soon as they start, others after a long time.
  auto steps = random.one_in(4) ? random.below(4) : random.between(4, 40);
  for (std::uint64_t i = 0; i < steps; ++i)
    l.steps.push_back({draw_step_kind(random, on.clean), random.next()});
  auto calls = 90 + 9 * steps; // about
  if (on.errors || on.no_space || on.bad_syncs || on.write_back || on.damage)
    for (auto count = random.below(4); count > 0; --count)
      l.faults.push_back(draw_fault(on, calls, random));
  if (on.crash && random.percent(70))
    l.faults.push_back({.what = fault_kind::crash, .call = random.between(1, calls)});
  auto dice = random.below(10);
  l.end = dice < 2 ? ending::stop : (dice < 5 || !on.power ? ending::kill : ending::power_cut);
  l.survives = static_cast<survival>(random.below(survival_count));
  l.seed = random.next();
  return l;
}

} // namespace

std::string_view name_of(step_kind what) noexcept {
  return step_names[static_cast<std::size_t>(what)];
}

bool storage_scenario::has(fault_kind what) const noexcept {
  return std::ranges::any_of(
      lives, [&](const life& l) { return std::ranges::count(l.faults, what, &fault::what) > 0; });
}

std::size_t storage_scenario::step_count() const noexcept {
  std::size_t count = 0;
  for (auto& l : lives)
    count += l.steps.size();
  return count;
}

const std::vector<std::string>& storage_fault_classes() {
  static const std::vector<std::string> names = {"process",   "power", "disk", "clock",
                                                 "retention", "rot",   "lies"};
  return names;
}

namespace {

storage_scenario draw_scenario(std::uint64_t seed,
                               const std::function<bool(const char*)>& has_class) {
  storage_scenario scenario;
  scenario.seed = seed;
  auto random = stream(seed, "knobs");
  scenario.knobs = draw_knobs(random);
  scenario.knobs.backward_clock &= has_class("clock");
  classes on;
  on.crash = random.percent(80) && has_class("process");
  on.errors = random.percent(40) && has_class("disk");
  on.no_space = random.percent(30) && has_class("disk");
  on.bad_syncs = random.percent(40) && has_class("disk");
  on.write_back = random.percent(60) && has_class("disk");
  on.damage = random.percent(10) && has_class("lies");
  on.power = random.percent(80) && has_class("power");
  on.clean = random.percent(60) && has_class("retention");
  if (on.damage)
    scenario.knobs.record_crc = true; // without it nothing protects header and properties
  auto faults = stream(seed, "storage");
  auto lives = faults.between(2, 6);
  for (std::uint64_t i = 0; i < lives; ++i)
    scenario.lives.push_back(draw_life(on, faults));
  return scenario;
}

/// Bits of stored files turn over, early or late in some lives.
void add_rot(storage_scenario& scenario, random_source& random) {
  constexpr std::array<const char*, 5> places = {"commitlog", "commitlog", "consumequeue", "index",
                                                 "checkpoint"};
  constexpr std::array kinds = {call_kind::open, call_kind::read, call_kind::map};
  scenario.knobs.record_crc = true;
  for (auto count = random.between(1, 2); count > 0; --count) {
    fault f;
    f.what = fault_kind::flip_bit;
    f.path = places[random.below(places.size())];
    f.kind = kinds[random.below(kinds.size())];
    f.skip = static_cast<std::uint32_t>(random.below(random.one_in(2) ? 3 : 12));
    f.argument = random.next() % 1'000'000;
    scenario.lives[random.below(scenario.lives.size())].faults.push_back(f);
  }
}

/// Bits of a checkpoint that say what the queues hold.
constexpr std::uint64_t first_vouching_bit = std::uint64_t{8} * 2048;
constexpr std::uint64_t vouching_bits = std::uint64_t{8} * 64;

/// Old log files go, and then the queues are built again: some have no message in the log any more.
void add_rebuild(storage_scenario& scenario, random_source& random) {
  auto next = random.between(1, scenario.lives.size() - 1);
  auto& before = scenario.lives[next - 1];
  for (auto what : {step_kind::begin_sync, step_kind::finish_sync, step_kind::clean})
    before.steps.push_back({what, random.next()});
  fault f;
  f.what = fault_kind::flip_bit;
  f.path = "checkpoint";
  f.kind = call_kind::open;
  f.argument = first_vouching_bit + random.below(vouching_bits);
  scenario.knobs.record_crc = true;
  scenario.lives[next].faults.push_back(f);
}

} // namespace

storage_scenario draw_scenario(std::uint64_t seed) {
  return draw_scenario(seed, [](const char*) { return true; });
}

storage_scenario draw_scenario(std::uint64_t seed, const std::set<std::string>& classes) {
  auto scenario = draw_scenario(seed, [&](const char* name) { return classes.count(name) > 0; });
  auto sizes = stream(seed, "sizes");
  scenario.knobs.equal_sizes = sizes.one_in(8);
  auto rot = stream(seed, "rot");
  if (classes.count("rot") > 0 && rot.one_in(6) && !scenario.lies())
    add_rot(scenario, rot);
  auto rebuild = stream(seed, "built-again");
  if (classes.count("rot") > 0 && classes.count("retention") > 0 && rebuild.one_in(12) &&
      !scenario.lies())
    add_rebuild(scenario, rebuild);
  return scenario;
}

std::string to_string(const run_knobs& k) {
  auto number = [](auto value) { return std::to_string(value); };
  return "log-file=" + number(k.log_file_size_bytes) +
         " queue-file=" + number(k.queue_file_size_bytes) + " slots=" + number(k.index_slots) +
         " entries=" + number(k.index_entries) + " tail=" + number(k.tail_entries) +
         " open-files=" + number(k.open_files) + " topics=" + number(k.topics) +
         " queues=" + number(k.queues) + " body=" + number(k.body_bytes) +
         " record-crc=" + number(k.record_crc) + " backward-clock=" + number(k.backward_clock) +
         (k.equal_sizes ? " equal-sizes" : "");
}

std::string to_string(const storage_scenario& scenario) {
  auto text = "seed=" + std::to_string(scenario.seed) + " " + to_string(scenario.knobs) + "\n";
  for (auto& l : scenario.lives) {
    text += "life:";
    for (auto& s : l.steps)
      text += " " + std::string(name_of(s.what));
    text += " | " + std::string(ending_names[static_cast<std::size_t>(l.end)]);
    if (l.end == ending::power_cut)
      text += " " + std::string(name_of(l.survives)) + " " + std::to_string(l.seed);
    text += " | " + to_string(l.faults) + "\n";
  }
  return text;
}

} // namespace troupe::sim
