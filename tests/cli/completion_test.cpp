#include "cli/completion.hpp"

#include "cli/commands.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe::cli;

namespace {

using strings = std::vector<std::string>;

/// Some verbs with a global option, as the program adds them.
struct stand {
  CLI::App app{"", "troupe"};
  context ctx;
  std::vector<named_by_node> asked;

  stand() {
    app.fallthrough();
    app.add_option("--connect", ctx.connect);
    add_topic(app, ctx);
    add_config(app, ctx);
    add_group(app, ctx);
  }
  strings words(const strings& typed) {
    strings found;
    for (auto& c : candidates_for(app, typed, [this](named_by_node what) {
           asked.push_back(what);
           return what == named_by_node::topics ? strings{"t1", "t2", "other"} : strings{"g"};
         }))
      found.push_back(c.word);
    std::ranges::sort(found);
    return found;
  }
};

bool has(const strings& all, const char* word) {
  return std::ranges::find(all, word) != all.end();
}

} // namespace

TEST_CASE("completion: verbs come where a verb is wanted", "[cli]") {
  stand t;
  CHECK(t.words({""}) == strings{"config", "group", "topic"});
  CHECK(t.words({"to"}) == strings{"topic"});
  CHECK(t.words({"topic", "d"}) == strings{"delete", "describe"});
  CHECK(t.words({"--connect", "h:1", "topic", "l"}) == strings{"list"});
  CHECK(t.words({"--connect=h:1", "topic", "l"}) == strings{"list"});
  CHECK(t.words({}).empty());
  CHECK(t.asked.empty());
}

TEST_CASE("completion: options of the verb and of all verbs", "[cli]") {
  stand t;
  auto found = t.words({"topic", "create", "--"});
  CHECK(has(found, "--queues"));
  CHECK(has(found, "--connect"));
  CHECK(!has(found, "--rate"));
  CHECK(t.words({"topic", "create", "--que"}) == strings{"--queues"});
}

TEST_CASE("completion: topics and groups come from the node", "[cli]") {
  stand t;
  CHECK(t.words({"topic", "describe", "t"}) == strings{"t1", "t2"});
  CHECK(t.words({"topic", "describe", "t1", ""}).empty()); // no second argument
  CHECK(t.words({"group", "reset", ""}) == strings{"g"});
  CHECK(t.words({"group", "reset", "g", "--topic", "o"}) == strings{"other"});
  CHECK(t.words({"group", "reset", "g", "--to", "l"}) == strings{"latest"});
  CHECK(t.words({"group", "reset", "--yes", ""}) == strings{"g"}); // a flag takes no value
}

TEST_CASE("completion: settings by their section and key", "[cli]") {
  stand t;
  CHECK(t.words({"config", "explain", "store.flu"}) == strings{"store.flush"});
}
