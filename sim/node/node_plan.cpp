#include "sim/node/node_plan.hpp"

#include <algorithm>
#include <array>

namespace troupe::sim {

namespace {

constexpr std::array<std::string_view, 28> event_names = {
    "put",        "read",      "probe",     "stop",         "kill",         "power-cut",
    "kill-actor", "stall",     "hold",      "heal",         "cut",          "disk-fault",
    "write-back", "clock",     "rest",      "remove-topic", "create-topic", "fill-disk",
    "rot",        "send-half", "end-half",  "end-process",  "cut-queues",   "begin-process",
    "freeze",     "cut-link",  "hold-link", "heal-link"};
static_assert(event_names.size() == static_cast<std::size_t>(event_kind::heal_link) + 1);

/// Those that a node replaces, and those that end writing.
constexpr std::array<const char*, 9> roles = {"dispatcher", "queue-manager", "queue-flusher",
                                              "reader",     "registrar",     "cleaner",
                                              "delayer",    "writer",        "flusher"};
constexpr std::array<const char*, 5> disk_roles = {"writer", "flusher", "queue-manager",
                                                   "queue-flusher", "reader"};

fault draw_disk_fault(random_source& random) {
  constexpr std::array<const char*, 4> places = {"commitlog", "consumequeue", "index",
                                                 "checkpoint"};
  fault drawn;
  drawn.path = places[random.below(places.size())];
  drawn.skip = static_cast<std::uint32_t>(random.below(12));
  drawn.argument = random.below(600);
  switch (random.below(6)) {
  case 0:
    drawn.what = fault_kind::short_write;
    drawn.kind = call_kind::write;
    break;
  case 1:
    drawn.what = fault_kind::lost_sync;
    drawn.kind = call_kind::sync;
    break;
  case 2:
    drawn.what = fault_kind::no_space;
    drawn.kind = random.one_in(2) ? call_kind::allocate : call_kind::write;
    drawn.count = static_cast<std::uint32_t>(random.between(1, 4));
    break;
  case 3:
    drawn.what = fault_kind::io_error;
    drawn.kind = call_kind::write;
    drawn.count = static_cast<std::uint32_t>(random.between(1, 4));
    break;
  case 4:
    drawn.what = fault_kind::broken_page;
    drawn.kind = call_kind::map;
    break;
  default: // at any call, whatever it is
    drawn.what = fault_kind::crash;
    drawn.path.clear();
    drawn.skip = static_cast<std::uint32_t>(random.below(200));
  }
  return drawn;
}

/// What keeps a node from reading what is there.
void draw_read_fault(node_event& event, random_source& random) {
  constexpr std::array<const char*, 3> readers = {"reader", "queue-manager", "writer"};
  auto what = random.below(8);
  if (what < 5) {
    event.kind = event_kind::disk_fault;
    event.disk.what = random.one_in(4) ? fault_kind::too_many_files : fault_kind::io_error;
    event.disk.kind = what < 2 ? call_kind::read : what < 4 ? call_kind::map : call_kind::open;
    event.disk.path = random.one_in(2) ? "commitlog" : "consumequeue";
    event.disk.skip = static_cast<std::uint32_t>(random.below(3));
    event.disk.count = static_cast<std::uint32_t>(random.between(1, 4));
    return;
  }
  event.role = readers[random.below(readers.size())];
  event.kind = what == 5 && event.role != "writer" ? event_kind::kill_actor : event_kind::stall;
  event.span_ms = static_cast<std::int64_t>(random.between(1, random.one_in(4) ? 3000 : 60));
}

/// One fault of this class.
node_event draw_fault(const std::string& name, const node_plan& plan, random_source& random) {
  node_event event;
  event.seed = random.next();
  event.client = static_cast<std::uint32_t>(random.below(plan.producers + 1));
  if (name == "process") {
    event.kind = random.one_in(3) ? event_kind::stop : event_kind::kill;
  } else if (name == "power") {
    event.kind = random.one_in(4) ? event_kind::write_back : event_kind::power_cut;
  } else if (name == "actor") {
    event.kind = event_kind::kill_actor;
    // The last two end writing for this life: rarer.
    event.role = roles[random.below(random.one_in(4) ? roles.size() : roles.size() - 2)];
  } else if (name == "slow") {
    event.kind = event_kind::stall;
    event.role = disk_roles[random.below(disk_roles.size())];
    event.span_ms = static_cast<std::int64_t>(random.between(1, random.one_in(5) ? 3000 : 60));
  } else if (name == "network") {
    auto what = random.below(4);
    event.kind = what == 0 ? event_kind::cut : what == 1 ? event_kind::hold : event_kind::heal;
    event.wait = random.one_in(2);
    event.other = !event.wait || random.one_in(2);
    event.span_ms = static_cast<std::int64_t>(random.below(20));
  } else if (name == "disk") {
    event.kind = event_kind::disk_fault;
    event.disk = draw_disk_fault(random);
  } else if (name == "clock") {
    event.kind = event_kind::clock;
    event.span_ms = static_cast<std::int64_t>(random.below(7'200'000)) - 3'600'000;
  } else if (name == "retention") {
    event.kind = event_kind::rest;
    event.span_ms = static_cast<std::int64_t>(random.below(1500));
  } else if (name == "topics") {
    event.kind = random.one_in(2) ? event_kind::remove_topic : event_kind::create_topic;
    event.queue = static_cast<std::uint32_t>(random.below(plan.topics * plan.queues));
  } else if (name == "full") {
    constexpr std::array<std::int64_t, 8> percents = {50, 60, 78, 84, 88, 92, 95, 97};
    event.kind = event_kind::fill_disk;
    event.span_ms = percents[random.below(percents.size())];
  } else if (name == "rot") {
    event.kind = event_kind::rot;
    event.wait = random.one_in(2);
  } else if (name == "reads") {
    draw_read_fault(event, random);
  } else { // lies
    event.kind = event_kind::disk_fault;
    event.disk.what = fault_kind::lying_sync;
    event.disk.kind = random.one_in(3) ? call_kind::sync_directory : call_kind::sync;
    event.disk.skip = static_cast<std::uint32_t>(random.below(6));
    event.disk.count = static_cast<std::uint32_t>(random.between(1, 8));
  }
  return event;
}

/// Knobs without which a class of faults would never meet what it is to break.
void set_scene(node_plan& plan, const std::set<std::string>& on, random_source& random) {
  plan.record_crc = random.one_in(3) || on.count("rot") > 0; // without it only bodies are protected
  if (on.count("retention") > 0)
    plan.reserved_ms = static_cast<std::int64_t>(random.between(50, 3000));
  if (plan.reserved_ms > 0 || on.count("full") > 0)
    plan.cleaner_ms = static_cast<std::int64_t>(random.between(10, 400));
}

node_event draw_load(const node_plan& plan, random_source& random);

/// What a consumer sees while the disk is slow must still be there after a power cut.
void add_slow_cut(node_plan& plan, random_source& random) {
  node_event stall;
  stall.kind = event_kind::stall;
  stall.role = "flusher";
  stall.span_ms = static_cast<std::int64_t>(random.between(20, 200));
  plan.events.push_back(stall);
  auto put = draw_load(plan, random);
  put.kind = event_kind::put;
  put.wait = true;
  plan.events.push_back(put);
  for (std::uint32_t queue = 0; queue < plan.topics * plan.queues; ++queue) {
    node_event read;
    read.kind = event_kind::read;
    read.client = plan.producers;
    read.seed = random.next();
    plan.events.push_back(read);
  }
  node_event cut;
  cut.kind = event_kind::power_cut;
  cut.seed = random.next();
  cut.after = std::chrono::milliseconds(random.between(1, 20));
  plan.events.push_back(cut);
}

node_event draw_load(const node_plan& plan, random_source& random) {
  node_event event;
  event.seed = random.next();
  event.after = std::chrono::milliseconds(random.one_in(3) ? random.below(30) : 0);
  if (random.one_in(8)) {
    event.kind = random.one_in(2) ? event_kind::read : event_kind::probe;
    event.client = static_cast<std::uint32_t>(random.below(plan.producers + 1));
    return event;
  }
  event.client = static_cast<std::uint32_t>(random.below(plan.producers));
  event.queue = static_cast<std::uint32_t>(random.below(plan.topics * plan.queues));
  event.count = static_cast<std::uint32_t>(random.between(1, random.one_in(4) ? 20 : 3));
  event.size = static_cast<std::uint32_t>(random.below(random.one_in(6) ? 4000 : 300));
  event.wait = !random.one_in(4);
  return event;
}

/// Somewhere between the others, in most of the runs.
void add_read_faults(node_plan& plan, random_source random) {
  if (random.one_in(3))
    return;
  for (auto count = random.between(1, 8); count > 0; --count) {
    auto at = random.below(plan.events.size() + 1);
    plan.events.insert(plan.events.begin() + static_cast<std::ptrdiff_t>(at),
                       draw_fault("reads", plan, random));
  }
}

/// What waits is durable; when it comes the disk is slow, and then the power goes.
void add_late_cut(node_plan& plan, random_source& random) {
  auto at = plan.events.begin() + static_cast<std::ptrdiff_t>(random.below(plan.events.size() + 1));
  auto put = draw_load(plan, random);
  put.kind = event_kind::put;
  put.client %= plan.producers;
  put.level = 2;
  node_event stall;
  stall.kind = event_kind::stall;
  stall.role = "flusher";
  stall.after = std::chrono::milliseconds(random.between(900, 1000));
  stall.span_ms = static_cast<std::int64_t>(random.between(300, 1500));
  node_event cut;
  cut.kind = event_kind::power_cut;
  cut.seed = random.next();
  cut.after = std::chrono::milliseconds(random.between(100, 600));
  plan.events.insert(at, {put, stall, cut});
}

/// In a third of the runs some messages are to come later; and time passes, so that they do.
void draw_delays(node_plan& plan, bool cuts, random_source random) {
  plan.delayed = random.one_in(3);
  if (!plan.delayed)
    return;
  for (auto& event : plan.events) {
    if (random.one_in(8))
      event.after += std::chrono::milliseconds(random.below(1500));
    if (event.kind == event_kind::put && random.one_in(3))
      event.level = random.one_in(2) ? 1 : static_cast<std::int32_t>(random.between(2, 5));
  }
  if (cuts && random.one_in(2))
    add_late_cut(plan, random);
}

node_event draw_transaction(const node_plan& plan, bool actors, random_source& random) {
  node_event event;
  event.seed = random.next();
  event.after = std::chrono::milliseconds(random.below(random.one_in(3) ? 700 : 3));
  if (actors && random.one_in(16)) {
    event.kind = event_kind::kill_actor;
    event.role = "transactor";
    return event;
  }
  event.kind = random.one_in(2) ? event_kind::send_half : event_kind::end_half;
  event.client = static_cast<std::uint32_t>(random.below(plan.producers));
  event.queue = static_cast<std::uint32_t>(random.below(2));
  event.size = static_cast<std::uint32_t>(random.below(300));
  event.wait = !random.one_in(4);
  if (event.kind == event_kind::end_half)
    event.count = static_cast<std::uint32_t>(random.between(1, 3));
  return event;
}

/// While one is ended the disk is slow, and then the power goes.
std::vector<node_event> draw_end_cut(const node_plan& plan, random_source& random) {
  auto half = draw_transaction(plan, false, random);
  half.kind = event_kind::send_half;
  node_event stall;
  stall.kind = event_kind::stall;
  stall.role = "flusher";
  stall.after = std::chrono::milliseconds(random.between(20, 200));
  stall.span_ms = static_cast<std::int64_t>(random.between(20, 100));
  auto end = half;
  end.kind = event_kind::end_half;
  end.after = std::chrono::milliseconds(0);
  end.count = 1;
  node_event cut;
  cut.kind = event_kind::power_cut;
  cut.seed = random.next();
  cut.after = std::chrono::milliseconds(random.below(20));
  return {half, stall, end, cut};
}

/// In some of the runs, and in more of those that keep all of their log: what is gone with old
/// files can be held against nobody.
void draw_transactions(node_plan& plan, const std::set<std::string>& classes,
                       random_source random) {
  bool damaged = false;
  bool shortened = plan.reserved_ms > 0;
  for (auto& event : plan.events) {
    damaged |= event.kind == event_kind::rot || event.disk.what == fault_kind::lying_sync ||
               event.disk.what == fault_kind::broken_page;
    shortened |= event.kind == event_kind::fill_disk;
  }
  plan.transactions = random.one_in(shortened ? 8 : 2) && !damaged;
  if (!plan.transactions)
    return;
  bool actors = classes.count("actor") > 0;
  for (auto count = random.between(8, 60); count > 0; --count) {
    auto at = random.below(plan.events.size() + 1);
    std::vector<node_event> drawn = {draw_transaction(plan, actors, random)};
    if (classes.count("power") > 0 && random.one_in(12))
      drawn = draw_end_cut(plan, random);
    plan.events.insert(plan.events.begin() + static_cast<std::ptrdiff_t>(at), drawn.begin(),
                       drawn.end());
  }
}

} // namespace

std::string_view name_of(event_kind kind) noexcept {
  return event_names[static_cast<std::size_t>(kind)];
}

const std::vector<std::string>& fault_classes() {
  static const std::vector<std::string> names = {
      "process",   "power",  "actor", "slow", "network", "disk", "clock",
      "retention", "topics", "full",  "rot",  "reads",   "lies"};
  return names;
}

bool node_plan::breaks_disk() const noexcept {
  return std::ranges::any_of(
      events, [](const node_event& event) { return event.kind == event_kind::disk_fault; });
}

bool node_plan::breaks_links() const noexcept {
  return std::ranges::any_of(
      events, [](const node_event& event) { return event.kind >= event_kind::end_process; });
}

bool node_plan::sets_clock() const noexcept {
  return std::ranges::any_of(
      events, [](const node_event& event) { return event.kind == event_kind::clock; });
}

node_plan draw_plan(std::uint64_t seed, const std::set<std::string>& classes) {
  auto random = stream(seed, "plan");
  node_plan plan;
  plan.seed = seed;
  plan.numbered = seed % 4 == 3; // not drawn: what else the seed says stays
  plan.sync_flush = random.one_in(2);
  plan.topics = static_cast<std::uint32_t>(random.between(1, 3));
  plan.queues = static_cast<std::uint32_t>(random.between(1, 5));
  plan.producers = static_cast<std::uint32_t>(random.between(1, 4));
  plan.log_file_bytes = std::uint64_t{4096} << random.below(5);
  plan.capacity = random.one_in(3) ? static_cast<std::uint32_t>(random.between(20, 64)) : 400'000;
  plan.tail_entries = static_cast<std::uint32_t>(random.between(1, 32));
  // Some classes are off in each run, so that the others get further.
  std::vector<std::string> on;
  for (auto& name : fault_classes()) {
    if (name == "reads")
      continue; // drawn apart, so that the other classes' seeds are what they were
    // Damaged files end much of what a run could show.
    bool drawn = name == "rot" ? random.one_in(5) : !random.one_in(3);
    if (classes.count(name) > 0 && drawn)
      on.push_back(name);
  }
  set_scene(plan, {on.begin(), on.end()}, random);
  auto length = random.between(20, 120);
  auto rarity = random.between(4, 20);
  for (std::uint64_t i = 0; i < length; ++i) {
    if (!on.empty() && random.one_in(rarity)) {
      auto& name = on[random.below(on.size())];
      if (name == "power" && random.one_in(3))
        add_slow_cut(plan, random);
      else
        plan.events.push_back(draw_fault(name, plan, random));
    } else {
      plan.events.push_back(draw_load(plan, random));
    }
  }
  if (classes.count("reads") > 0)
    add_read_faults(plan, stream(seed, "reads"));
  draw_delays(plan, classes.count("power") > 0, stream(seed, "delays"));
  draw_transactions(plan, classes, stream(seed, "transactions")); // last: the others stay
  return plan;
}

std::string to_string(const node_event& event) {
  std::string text(name_of(event.kind));
  text += event.at_meeting ? " at-meeting" : " after=" + std::to_string(event.after.count()) + "ms";
  switch (event.kind) {
  case event_kind::put:
  case event_kind::send_half:
    text += " producer=" + std::to_string(event.client) + " queue=" + std::to_string(event.queue) +
            " messages=" + std::to_string(event.count) + " size=" + std::to_string(event.size) +
            (event.level > 0 ? " level=" + std::to_string(event.level) : "") +
            (event.wait ? "" : " wait=false");
    break;
  case event_kind::end_half:
    text += " times=" + std::to_string(event.count);
    break;
  case event_kind::kill_actor:
    text += " role=" + event.role;
    break;
  case event_kind::stall:
    text += " role=" + event.role + " for=" + std::to_string(event.span_ms) + "ms";
    break;
  case event_kind::hold:
    text += " wire=" + std::to_string(event.client) + (event.wait ? " requests" : "") +
            (event.other ? " answers" : "");
    break;
  case event_kind::heal:
    text +=
        " wire=" + std::to_string(event.client) + " delay=" + std::to_string(event.span_ms) + "ms";
    break;
  case event_kind::cut:
    text += " wire=" + std::to_string(event.client);
    break;
  case event_kind::disk_fault:
    text += " " + to_string(fault_plan{event.disk});
    break;
  case event_kind::rest:
    text += " for=" + std::to_string(event.span_ms) + "ms";
    break;
  case event_kind::remove_topic:
  case event_kind::create_topic:
    text += " wire=" + std::to_string(event.client) + " queue=" + std::to_string(event.queue);
    break;
  case event_kind::fill_disk:
    text += " percent=" + std::to_string(event.span_ms);
    break;
  case event_kind::rot:
    text += event.wait ? " while=down" : " while=up";
    break;
  case event_kind::clock:
    text += " by=" + std::to_string(event.span_ms) + "ms";
    break;
  case event_kind::end_process:
  case event_kind::cut_queues:
  case event_kind::begin_process:
    text += " process=" + std::to_string(event.client);
    break;
  case event_kind::freeze:
    text +=
        " process=" + std::to_string(event.client) + " for=" + std::to_string(event.span_ms) + "ms";
    break;
  case event_kind::cut_link:
  case event_kind::hold_link:
  case event_kind::heal_link:
    text += " from=" + std::to_string(event.client) + " to=" + std::to_string(event.queue);
    break;
  default:
    break;
  }
  return text;
}

static std::string placement_of(const node_plan& plan) {
  std::string text;
  for (auto& roles : plan.placement)
    text += (text.empty() ? "[" : " | ") + to_text(roles);
  text += "]";
  if (plan.queue_places.apart)
    text += " queues=apart";
  for (auto process : plan.queue_places.processes)
    text +=
        (process == plan.queue_places.processes.front() && text.back() == ']' ? " queues=" : ",") +
        std::to_string(process);
  text += " delay=" + std::to_string(plan.net_delay_ms) + "ms";
  return text + (plan.link_window > 0 ? " window=" + std::to_string(plan.link_window) : "");
}

std::string to_string(const node_plan& plan) {
  return "seed=" + std::to_string(plan.seed) + " flush=" + (plan.sync_flush ? "sync" : "async") +
         " topics=" + std::to_string(plan.topics) + " queues=" + std::to_string(plan.queues) +
         " producers=" + std::to_string(plan.producers) +
         " log-file=" + std::to_string(plan.log_file_bytes) +
         " capacity=" + std::to_string(plan.capacity) +
         " tail=" + std::to_string(plan.tail_entries) + (plan.record_crc ? " record-crc" : "") +
         (plan.numbered ? " numbered" : "") + (plan.delayed ? " delayed" : "") +
         (plan.transactions ? " transactions" : "") +
         (plan.cleaner_ms > 0 ? " cleaner=" + std::to_string(plan.cleaner_ms) + "ms" : "") +
         (plan.reserved_ms > 0 ? " reserved=" + std::to_string(plan.reserved_ms) + "ms" : "") +
         (plan.placement.size() > 1 ? " processes=" + placement_of(plan) : "") +
         " events=" + std::to_string(plan.events.size());
}

} // namespace troupe::sim
